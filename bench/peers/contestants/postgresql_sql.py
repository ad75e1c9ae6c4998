"""What PostgreSQL is told: its tables, and those questions whose best form is not obvious.

Of the forms of a question that give the right answer it is the one that took the least time; what
else was tried is said beside it. Numbers in parentheses are chapters of PostgreSQL 15's manual.
"""

from __future__ import annotations

from datetime import datetime

BAR = "ts, open, high, low, close, volume"
TRADE = "ts, id, price, amount, side"
_MINUTE = "date_bin('1 minute', ts, timestamptz '2000-01-01 00:00Z')"  # `date_trunc` is slower

# Statistics of the minute let the planner know that there are few of them (14.2.2), so that it
# aggregates by hashing and in parallel. A sample of the usual size is too small to see it.
TABLES = f"""
create table symbols (
    id integer generated always as identity primary key, name text not null unique);
create table candles (
    symbol_id integer not null, ts timestamptz not null, open float8 not null,
    high float8 not null, low float8 not null, close float8 not null, volume float8 not null);
create table trades (
    symbol_id integer not null, ts timestamptz not null, id bigint not null,
    price float8 not null, amount float8 not null, side smallint not null,
    primary key (symbol_id, ts, id));
create statistics minute_of_trades on ({_MINUTE}) from trades;
alter statistics minute_of_trades set statistics 1000
"""
# Made once the candles are loaded, and with memory for it (14.4.3, 14.4.5).
CANDLES_KEY = """
set maintenance_work_mem = '1GB';
alter table candles add primary key (symbol_id, ts)
"""

# A batch is copied into a table of the session and inserted from there: COPY itself cannot leave
# out rows whose key is known. Temporary tables are not logged.
ARRIVING = """
create temporary table arriving (
    ts timestamptz, id bigint, price float8, amount float8, side smallint) on commit delete rows
"""
COPY_ARRIVING = "copy arriving from stdin (format binary)"
TAKE_ARRIVING = f"""
insert into trades (symbol_id, {TRADE}) select %s, {TRADE} from arriving on conflict do nothing
"""
TAKE_TRADE = f"insert into trades (symbol_id, {TRADE}) values (%s, %s, %s, %s, 1, 1)"

WIDE = f"""
select name as symbol, {BAR} from candles join symbols on id = symbol_id order by symbol_id, ts
"""
TAIL = f"select {BAR} from candles where symbol_id = %s order by ts desc limit 100"
DAY = f"select {BAR} from candles where symbol_id = %s and ts >= %s and ts < %s order by ts"


def history(symbol_id: int) -> str:
    """All bars of a symbol. ADBC's driver reads by COPY only what has no parameters."""
    return f"select {BAR} from candles where symbol_id = {symbol_id:d} order by ts"


def day(symbol_id: int, start: datetime) -> str:
    """The bars of the day that begins at `start`."""
    since = f"timestamptz '{start.isoformat()}'"
    bounds = f"ts >= {since} and ts < {since} + interval '1 day'"
    return f"select {BAR} from candles where symbol_id = {symbol_id:d} and {bounds} order by ts"


def trades(symbol_id: int) -> str:
    return f"select {TRADE} from trades where symbol_id = {symbol_id:d} order by ts, id"


def candles(symbol_id: int) -> str:
    """Minute bars of trades; the first and the last price of each are looked up in the key.

    `array_agg` of sorted prices, `first_value` and `distinct on` all sort or keep every row, and
    none of them runs in parallel.
    """
    key, back = "symbol_id, ts, id", "symbol_id desc, ts desc, id desc"
    of = f"select price from trades where symbol_id = {symbol_id:d} and"
    return f"""
select minute as ts,
    ({of} ts >= minute order by {key} limit 1) as open, high, low,
    ({of} ts < minute + interval '1 minute' order by {back} limit 1) as close, volume
from (
    select {_MINUTE} as minute, max(price) as high, min(price) as low, sum(amount) as volume
    from trades where symbol_id = {symbol_id:d} group by 1) as bars
order by 1
"""


def asof(symbol_id: int) -> str:
    """Trades, each with the newest bar at its time: a merge by a window function.

    A bar sorts before a trade of the same time, since its `bar` is not null. The same by a lateral
    join, one look into the key per trade, takes twice as long.
    """
    return f"""
select {", ".join(f"placed.{name}" for name in TRADE.split(", "))}, open, high, low, close, volume
from (
    select {TRADE}, trade, max(bar) over (order by ts, bar rows unbounded preceding) as bar
    from (
        select {TRADE}, true as trade, null::timestamptz as bar
        from trades where symbol_id = {symbol_id:d}
        union all
        select ts, null, null, null, null, false, ts from candles where symbol_id = {symbol_id:d}
    ) as both_kinds) as placed
left join candles on candles.symbol_id = {symbol_id:d} and candles.ts = bar
where trade order by placed.ts, placed.id
"""


# A table that a trigger keeps, as in the manual's example of a summary table (43.10). Each insert
# brings its own rows into the bars they belong to, however late they are. Trades are sorted first,
# since `array_agg` takes them as they come (9.21); bars are in order, so that two writers cannot
# lock each other out. A materialized view (41.3) would be exact only when it has been refreshed,
# which reads every trade again.
KEEP_MINUTES = f"""
create type moment as (ts timestamptz, id bigint, price float8);
create table minutes (
    symbol_id integer, ts timestamptz, first moment, high float8, low float8, last moment,
    volume float8, primary key (symbol_id, ts));
create function keep_minutes() returns trigger language plpgsql as $$
begin
    insert into minutes as kept
    select symbol_id, minute, trades[1], high, low, trades[cardinality(trades)], volume
    from (
        select symbol_id, minute, array_agg(row(ts, id, price)::moment) as trades,
            max(price) as high, min(price) as low, sum(amount) as volume
        from (select *, {_MINUTE} as minute from arrived order by symbol_id, ts, id) as sorted
        group by symbol_id, minute) as bars
    order by symbol_id, minute
    on conflict (symbol_id, ts) do update set
        first = least(kept.first, excluded.first), high = greatest(kept.high, excluded.high),
        low = least(kept.low, excluded.low), last = greatest(kept.last, excluded.last),
        volume = kept.volume + excluded.volume;
    return null;
end $$;
create trigger keep_minutes after insert on trades referencing new table as arrived
    for each statement execute function keep_minutes()
"""
MINUTES = """
select ts, (first).price as open, high, low, (last).price as close, volume from minutes order by ts
"""
NEWEST_MINUTE = """
select (last).price from minutes where symbol_id = %s order by ts desc limit 1
"""

# Each new row to whoever listens (NOTIFY); it is sent when the transaction is committed.
CHANNEL = "trades"
NOTIFY_TRADES = f"""
create function tell_trade() returns trigger language plpgsql as $$
begin
    perform pg_notify('{CHANNEL}', row_to_json(new)::text);
    return null;
end $$;
create trigger tell_trade after insert on trades
    for each row execute function tell_trade()
"""
