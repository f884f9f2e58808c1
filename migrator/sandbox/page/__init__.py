"""What the sandbox shows of itself: `GET /`, a page for whoever rehearses.

`glance` reads what is to be seen, `words` spells it, and `routes` fills the templates and hands out
pictures and web videos. The page is whole without a script; the script renews what has changed,
and leaves alone what plays.
"""
