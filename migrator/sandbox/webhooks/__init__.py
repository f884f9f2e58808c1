"""Webhooks: where teams want to be told of what happens to their videos, and the telling.

What happened is recorded by whoever makes it happen (`migrator.sandbox.events`); here it is
delivered, signed, until it is taken or the time for it is over.
"""
