"""What a stream with contiguous ids proves: never more than it has sent."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise, product

import pytest
from tests.support.seeds import generator

from flightstore_ingest.ccxt_source.claims import MARGIN_NS, Claims

SECOND = 1_000_000_000
NOON = 1_700_049_600 * SECOND
Seen = tuple[int, int]
Trades = Sequence[Seen]


def spaced(*seconds: float) -> list[Seen]:
    """Trades with ids from 5 on, each so many seconds after the one before."""
    times = accumulate(round(s * SECOND) for s in seconds)
    return [(5 + i, NOON + ts) for i, ts in enumerate(times)]


def claimed(batches: Sequence[Trades], record: Trades) -> list[Seen]:
    """All claims on the way; fails if one has a trade of the record that was not sent by then."""
    claims, sent, found = Claims(), set[Seen](), list[Seen]()
    for batch in batches:
        sent.update(batch)
        claim, _ = claims.after(batch)
        if claim is not None:
            unseen = [t for t in record if t not in sent and claim[0] <= t[1] < claim[1]]
            assert not unseen, f"{claim} claimed without {unseen}, after {batches}"
            found.append(claim)
    return found


def cut(trades: Trades, cuts: Sequence[bool]) -> list[Trades]:
    """`trades` in batches that end where `cuts` says so."""
    batches: list[list[Seen]] = [[]]
    for trade, ends in zip(trades, [*cuts, True], strict=False):
        batches[-1].append(trade)
        if ends:
            batches.append([])
    return [batch for batch in batches if batch]


@pytest.mark.parametrize(
    "gaps", [(0, 3, 3, 3, 3, 3), (0, 0, 3, 0, 0, 5), (0, 0.4, 0.4, 2, 0, 2), (0, 1, 1, 1, 1, 1)]
)
def test_whatever_is_lost_and_however_it_is_cut_nothing_unseen_is_claimed(
    gaps: Sequence[float],
) -> None:
    record = spaced(*gaps)
    for kept in product((True, False), repeat=len(record)):
        sent = [trade for trade, keep in zip(record, kept, strict=True) if keep]
        for cuts in product((True, False), repeat=max(len(sent) - 1, 0)):
            claimed(cut(sent, cuts), record)


def disturbed(record: Trades, draw: random.Random) -> Iterator[Trades]:
    """`record` as a bad stream sends it: with losses, repeats, snapshots and swapped frames."""
    at, frames = 0, list[Trades]()
    while at < len(record):
        size = draw.randrange(1, 6)
        chance = draw.random()
        if chance > 0.2:
            frames.append(record[at : at + size])
        if chance > 0.8:
            frames.append(record[max(at - draw.randrange(1, 9), 0) : at + size])
        if chance > 0.9 and len(frames) > 1:
            frames[-1], frames[-2] = frames[-2], frames[-1]
        at += size
    for frame in frames:
        shuffled = list(frame)
        draw.shuffle(shuffled)
        yield shuffled


def test_a_stream_with_losses_repeats_and_swapped_frames_claims_nothing_unseen() -> None:
    draw = generator("claims")
    for _ in range(400):
        record = spaced(0, *(draw.choice((0, 0.001, 0.3, 1, 4)) for _ in range(40)))
        claimed(list(disturbed(record, draw)), record)


def test_trades_numbered_against_their_times_within_a_second_are_not_overlooked() -> None:
    draw = generator("disorder")
    for _ in range(400):
        even = spaced(0, *(draw.choice((0.1, 0.5, 2)) for _ in range(30)))
        record = [(number, ts + draw.randrange(SECOND // 2)) for number, ts in even]
        claimed(list(disturbed(record, draw)), record)


def test_an_unbroken_stream_is_complete_but_for_a_margin_at_its_ends() -> None:
    record = spaced(*[0.25] * 100)
    found = claimed([[trade] for trade in record], record)
    assert found[0][0] == record[0][1] + MARGIN_NS
    assert found[-1][1] == record[-1][1] - MARGIN_NS
    assert all(a[1] == b[0] for a, b in pairwise(found))


def test_a_lost_trade_is_noticed_and_the_time_before_it_stays_unclaimed() -> None:
    first, _, third, fourth = spaced(0, 5, 5, 5)
    claims = Claims()
    assert claims.after([first]) == (None, False)
    assert claims.after([third]) == (None, True)
    claim, lost = claims.after([fourth])
    assert claim == (third[1] + MARGIN_NS, fourth[1] - MARGIN_NS)
    assert not lost


def test_a_loss_within_one_batch_is_noticed() -> None:
    first, _, third = spaced(0, 5, 5)
    assert Claims().after([first, third])[1]


def test_a_connection_that_comes_back_without_a_loss_goes_on_where_it_was() -> None:
    """A snapshot of the past overlaps with what was seen: the ids join."""
    record = spaced(*[3.0] * 8)
    claims = Claims()
    before, _ = claims.after(record[:4])
    after, lost = claims.after(record[2:])
    assert not lost
    assert before is not None and after is not None
    assert before[1] == after[0]


def test_what_was_seen_already_claims_nothing() -> None:
    record = spaced(*[3.0] * 4)
    claims = Claims()
    claims.after(record)
    assert claims.after(record) == (None, False)
    assert claims.after([]) == (None, False)
