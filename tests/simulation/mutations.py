"""Defects put into the engine on purpose: the simulation has to find every one of them."""

import asyncio
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from unittest import mock

from simulation.climate import EPOCH_S
from simulation.disk import SimulatedJournal

from migrator.checkpoint.change import Change
from migrator.checkpoint.store import Checkpoint
from migrator.engine import (
    adopt,
    decide,
    feed,
    flights,
    gateway,
    observe,
    resolve,
    run,
    submit,
    sweep,
    swept,
    take_up,
)
from migrator.errors import RunFailed
from migrator.lifecycle import TRANSITIONS, Event, State
from migrator.pixop.client import Answer, Lost, NotSent


def _judging(instead):
    """Judge the reply to a POST as if it had been `instead(reply)`."""
    judge = decide.judge_submit
    return mock.patch.object(
        decide, "judge_submit", lambda reply, *more: judge(instead(reply), *more)
    )


def sends_before_the_intent_is_durable():
    intend = submit.Submitter._intend

    async def hasty(self, *arguments):
        asyncio.ensure_future(intend(self, *arguments))  # noqa: RUF006 - a defect on purpose
        return State.SUBMITTING

    return mock.patch.object(submit.Submitter, "_intend", hasty)


def takes_a_5xx_for_not_created():
    return _judging(
        lambda reply: NotSent("5xx") if isinstance(reply, Answer) and reply.status >= 500 else reply
    )


def takes_a_lost_answer_for_not_created():
    return _judging(lambda reply: NotSent("lost") if isinstance(reply, Lost) else reply)


def presumes_absence_after_one_sweep():
    return mock.patch.object(decide, "COMPLETE_SWEEPS_TO_PRESUME", 1)


def takes_any_sweep_for_complete():
    return mock.patch.object(sweep.Ledger, "is_complete", return_value=True)


def trusts_the_list_at_once():
    add = resolve.Resolver.add

    def early(self, transfer):
        add(self, transfer)
        self._open[transfer.row].since_s -= self._settle_s

    return mock.patch.object(resolve.Resolver, "add", early)


def reckons_horizons_by_the_local_clock():
    local = property(lambda self: int(EPOCH_S + self.now_s()), lambda *_: None)
    return mock.patch.object(gateway.Gateway, "date_s", local, create=True)


def forgets_open_requests_at_a_restart():
    return mock.patch.object(take_up, "Change", return_value=Change(Event.NOT_CREATED))


def sends_more_than_the_quota():
    return mock.patch.object(gateway.Pacer, "permit", _at_once)


async def _at_once(self, **_urgent):
    if self._closed:
        raise gateway.Stopping


def goes_on_when_the_disk_is_full():
    journal = SimulatedJournal.run

    async def careless(self, work):
        try:
            return await journal(self, work)
        except RunFailed:
            with self._checkpoint.transaction():
                result = work(self._checkpoint)
                self._checkpoint._db.execute("ROLLBACK")
                self._checkpoint._db.execute("BEGIN")
            return result

    return mock.patch.object(SimulatedJournal, "run", careless)


def sends_a_failed_copy_again():
    again = {(State.COPYING, Event.COPY_FAILED): State.PENDING}
    return mock.patch.dict(TRANSITIONS, again)


def cancels_what_is_in_flight_at_a_stop():
    @contextmanager
    def uncounted(_self):
        yield

    return mock.patch.object(gateway.Gateway, "commanding", uncounted)


def adopts_nothing():
    async def nothing(*_arguments):
        return 0

    return mock.patch.object(run, "adopt", nothing)


def overlooks_what_looks_alike():
    return mock.patch.object(Checkpoint, "look_alike", return_value=None)


@contextmanager
def takes_a_derived_video_for_the_original():
    with ExitStack() as stack:
        for module in (adopt, observe, swept):
            stack.enter_context(mock.patch.object(module, "is_master", return_value=True))
        yield


def forgets_to_take_up_unresolved_rows():
    add = resolve.Resolver.add

    def forgetful(self, transfer):
        if self._book.tallies.states[State.COPYING] == 0:
            return
        add(self, transfer)

    return mock.patch.object(resolve.Resolver, "add", forgetful)


def ignores_what_a_429_says():
    return mock.patch.object(gateway.Pacer, "refused", lambda self, quota: self.answered(quota))


def drops_a_row_between_queues():
    done_with = feed.Feed.done_with

    def lost(self, row, **what):
        if row % 5 or not what.get("pending_again"):
            done_with(self, row, **what)

    return mock.patch.object(feed.Feed, "done_with", lost)


def judges_sizes_by_nothing():
    judge = decide.judge_copy
    return mock.patch.object(
        decide,
        "judge_copy",
        lambda state, restarts, _size, *more: judge(state, restarts, None, *more),
    )


def forgets_the_bytes_of_lost_answers():
    doubt = flights.Flights.doubt

    def weightless(self, transfer):
        doubt(self, replace(transfer, size_bytes=0))

    return mock.patch.object(flights.Flights, "doubt", weightless)


MUTATIONS = {
    mutation.__name__: mutation
    for mutation in (
        sends_before_the_intent_is_durable,
        takes_a_5xx_for_not_created,
        takes_a_lost_answer_for_not_created,
        presumes_absence_after_one_sweep,
        takes_any_sweep_for_complete,
        trusts_the_list_at_once,
        reckons_horizons_by_the_local_clock,
        forgets_open_requests_at_a_restart,
        sends_more_than_the_quota,
        ignores_what_a_429_says,
        goes_on_when_the_disk_is_full,
        sends_a_failed_copy_again,
        cancels_what_is_in_flight_at_a_stop,
        adopts_nothing,
        overlooks_what_looks_alike,
        takes_a_derived_video_for_the_original,
        forgets_to_take_up_unresolved_rows,
        drops_a_row_between_queues,
        judges_sizes_by_nothing,
        forgets_the_bytes_of_lost_answers,
    )
}
