"""Following one series: live rows as they come, and the source's own history behind them.

Live rows are early and unproved. What makes them complete is the history, asked for again after
every lost connection and on a schedule, for just what is not covered yet; and since exchanges
correct what they sent, the newest bars are asked for once more, and the last day once a day.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress

from flightstore_ingest.errors import Beyond
from flightstore_ingest.gate import checked
from flightstore_ingest.keeper import Keeper
from flightstore_ingest.pace import Backoff, is_final
from flightstore_ingest.source import CANDLES, Page
from flightstore_proto.errors import FlightstoreError
from flightstore_proto.timeframe import DAY_NS, SECOND_NS

log = logging.getLogger(__name__)


class Follower:
    """Follows the series of `keeper` from `boundary` ns on, where its backfill ends, repairing in
    `turns` with the others."""

    def __init__(self, keeper: Keeper, boundary: int, turns: asyncio.Semaphore) -> None:
        self._keeper, self._boundary, self._turns = keeper, boundary, turns
        self._wanted = asyncio.Event()
        self._newest_live = self._dropped = 0  # ns of rows
        self._restart = asyncio.Event()
        self._deep_at = keeper.source.now()

    async def run(self) -> None:
        """For ever. Ends with the error that ends the series."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._live())
            tasks.create_task(self._repair())

    async def _live(self) -> None:
        """Take live pages, and begin anew when the stream has stalled: no page would say so."""
        while True:
            self._restart.clear()
            taking = asyncio.create_task(self._take_pages())
            stalled = asyncio.create_task(self._restart.wait())
            try:
                await asyncio.wait({taking, stalled}, return_when=asyncio.FIRST_COMPLETED)
                if taking.done():
                    taking.result()
            finally:
                taking.cancel()
                stalled.cancel()
                await asyncio.wait({taking, stalled})
            self._wanted.set()

    async def _take_pages(self) -> None:
        keeper, backoff = self._keeper, Backoff()
        while True:
            try:
                async with aclosing(keeper.source.live(keeper.series)) as pages:
                    async for page in pages:
                        backoff.reset()
                        keeper.progress.live = True
                        self._take(page)
                # No live data, or none at present: the history has what comes meanwhile.
                await keeper.source.sleep(keeper.pace.confirm)
            except FlightstoreError as error:
                keeper.progress.live = False
                keeper.progress.error = error.message
                if is_final(error):
                    raise
                wait = backoff.after(error)
                # What the stream garbled, the history has; later pages may build on this one.
                log.info("%s: live again in %.1f s: %s", keeper.series, wait, error.message)
                await keeper.source.sleep(wait)
            self._wanted.set()

    def _take(self, page: Page) -> None:
        if page.rows.num_rows == 0:
            self._wanted.set()
            return
        keeper = self._keeper
        page = self._trusted(checked(keeper.series, keeper.unproved(page)))
        if page.rows.num_rows == 0:
            return
        self._newest_live = max(self._newest_live, page.rows.column("ts")[-1].value)
        done = keeper.sink.put_live(keeper.series, page)
        done.add_done_callback(lambda stored: self._written(page, stored))

    def _trusted(self, page: Page) -> Page:
        """`page` without a claim on times of dropped rows, for claims build on earlier pages."""
        if page.covers is None or page.covers[0] > self._dropped:
            return page
        start, end = self._dropped + 1, page.covers[1]
        return Page(page.rows, (start, end) if start < end else None)

    def _written(self, page: Page, stored: asyncio.Future[None]) -> None:
        if stored.cancelled() or stored.exception() is not None:
            self._dropped = max(self._dropped, page.rows.column("ts")[-1].value)
            self._wanted.set()
            return
        self._keeper.note(page)
        self._keeper.progress.rows_live += page.rows.num_rows

    async def _repair(self) -> None:
        keeper = self._keeper
        while True:
            self._wanted.clear()
            start = self._look_again()
            newest_live = self._newest_live
            with suppress(Beyond):  # what is lost for good stays a gap, and shows as one
                await keeper.fill(start, keeper.edge(), self._turns)
            keeper.progress.repairs += 1
            self._notice_a_stall(newest_live)
            await self._pause()

    async def _pause(self) -> None:
        """Until something may be missing, or it is time to compare."""
        keeper = self._keeper
        waiting = asyncio.ensure_future(self._wanted.wait())
        sleeping = asyncio.ensure_future(keeper.source.sleep(keeper.pace.confirm))
        try:
            await asyncio.wait({waiting, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            sleeping.cancel()
        if self._wanted.is_set():
            # Until what was lost is old enough to be asked for. A burst of reasons is one repair.
            await keeper.source.sleep(self._settling())

    def _settling(self) -> float:
        """Seconds until the history has what a stream may have lost by now."""
        trades = self._keeper.series.dataset != CANDLES
        return self._keeper.pace.trade_grace + 5.0 if trades else 1.0

    def _look_again(self) -> int:
        """Have the newest bars read again, and once a day all bars of the last day.

        Returns the ns from which history is to be asked for: bars from before a restart as well.
        """
        keeper, now = self._keeper, self._keeper.source.now()
        if keeper.series.dataset != CANDLES:
            return self._boundary
        step, edge = keeper.series.step_ns, keeper.edge()
        again = edge - keeper.pace.recheck_bars * step
        if now - self._deep_at > keeper.pace.deep_recheck * SECOND_NS:
            self._deep_at = now
            again = min(again, edge - DAY_NS)
        again = max(again, keeper.since)
        keeper.forget(again, edge)
        return min(again, self._boundary)

    def _notice_a_stall(self, newest_live: int) -> None:
        """A stream that says nothing while the history goes on has stalled: it is started anew."""
        keeper = self._keeper
        newest = keeper.progress.last_ts or 0
        # The newest bar may be on its way: a stream that lacks the one before as well is late.
        late = keeper.edge() - 2 * keeper.series.step_ns - int(keeper.pace.trade_grace * SECOND_NS)
        if newest_live and newest_live == self._newest_live < min(newest, late):
            log.warning("%s: its stream has stalled; starting it anew", keeper.series)
            self._restart.set()
