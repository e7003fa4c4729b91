"""The Nexmark queries as DuckDB says them, over the whole input at once.

in      the views ``person``, ``auction`` and ``bid``, with ``seq``, the number of the event, beside
        their columns: it decides between equal times or prices, as the order of arrival does in a
        stream
out     ANSWERS: per query a SELECT with the columns of the query's sink, in its order
"""

from __future__ import annotations

_STATISTICS = ", ".join(
    f"count({what}) FILTER (WHERE price >= {low} AND price < {high})"
    for what in ("*", "DISTINCT bidder", "DISTINCT auction")
    for low, high in ((0, 10**9), (0, 10_000), (10_000, 1_000_000), (1_000_000, 10**9))
)
_OPEN_BIDS = "auction AS a JOIN bid AS b ON b.auction = a.id AND b.dateTime >= a.dateTime"
_OPEN_BIDS += " AND b.dateTime <= a.expires"
_BEST = "row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.dateTime, b.seq) = 1"
_IN_10_S, _IN_2_S = (f"time_bucket(INTERVAL {n} SECOND, dateTime)" for n in (10, 2))
_OF_AUCTION = """a.itemName, a.description, a.initialBid, a.reserve, a.dateTime, a.expires,
    a.seller, a.category, a.extra"""
_DAY, _MINUTE = "strftime(dateTime, '%Y-%m-%d')", "strftime(dateTime, '%H:%M')"
ANSWERS = {
    0: "SELECT auction, bidder, price, dateTime, extra FROM bid",
    1: "SELECT auction, bidder, price * 0.908, dateTime, extra FROM bid",
    2: "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    3: """SELECT name, city, state, a.id FROM auction AS a JOIN person AS p ON a.seller = p.id
          WHERE category = 10 AND state IN ('OR', 'ID', 'CA')""",
    4: f"""SELECT category, (sum(best) // count(*))::BIGINT FROM (
             SELECT category, max(price) AS best FROM {_OPEN_BIDS} GROUP BY a.id, category)
           GROUP BY category""",
    5: f"""WITH counted AS (
             SELECT auction, count(*) AS num, {_IN_2_S} - INTERVAL 2 SECOND * i AS start
             FROM bid, range(5) AS t(i) GROUP BY ALL)
           SELECT auction, num FROM counted QUALIFY num = max(num) OVER (PARTITION BY start)""",
    6: f"""SELECT seller, (sum(price) OVER last_ones // count(*) OVER last_ones)::BIGINT FROM (
             SELECT seller, price, b.dateTime, b.seq FROM {_OPEN_BIDS} QUALIFY {_BEST})
           WINDOW last_ones AS (PARTITION BY seller ORDER BY dateTime, seq
                                ROWS BETWEEN 10 PRECEDING AND CURRENT ROW)""",
    7: f"""SELECT b.* EXCLUDE (channel, url, seq) FROM bid AS b JOIN (
             SELECT {_IN_10_S} AS start, max(price) AS best FROM bid GROUP BY start) AS w
           ON price = best AND dateTime BETWEEN start AND start + INTERVAL 10 SECOND""",
    8: f"""SELECT DISTINCT id, name, start
           FROM (SELECT id, name, {_IN_10_S} AS start FROM person)
           JOIN (SELECT seller AS id, {_IN_10_S} AS start FROM auction) USING (id, start)""",
    9: f"""SELECT a.* EXCLUDE seq, b.auction, b.bidder, b.price, b.dateTime, b.extra
           FROM {_OPEN_BIDS} QUALIFY {_BEST}""",
    10: f"SELECT auction, bidder, price, dateTime, extra, {_DAY}, {_MINUTE} FROM bid",
    11: """SELECT bidder, count(*), min(dateTime), max(dateTime) + INTERVAL 10 SECOND FROM (
             SELECT *, sum(is_first) OVER (PARTITION BY bidder ORDER BY dateTime) AS session FROM (
               SELECT *, coalesce(dateTime - lag(dateTime) OVER (
                 PARTITION BY bidder ORDER BY dateTime) > INTERVAL 10 SECOND, true
               )::INT AS is_first FROM bid))
           GROUP BY bidder, session""",
    13: "SELECT auction, bidder, price, dateTime, (auction % 10000)::VARCHAR FROM bid",
    14: """SELECT auction, bidder, price * 0.908,
             CASE WHEN hour(dateTime) IN (7, 19) THEN 'otherTime'
                  WHEN hour(dateTime) BETWEEN 8 AND 18 THEN 'dayTime' ELSE 'nightTime' END,
             dateTime, extra, len(extra) - len(replace(extra, 'c', ''))
           FROM bid WHERE price * 0.908 > 1000000 AND price * 0.908 < 50000000""",
    15: f"SELECT {_DAY}, {_STATISTICS} FROM bid GROUP BY ALL",
    16: f"SELECT channel, {_DAY}, max({_MINUTE}), {_STATISTICS} FROM bid GROUP BY ALL",
    17: f"""SELECT auction, {_DAY}, count(*), count(*) FILTER (WHERE price < 10000),
              count(*) FILTER (WHERE price >= 10000 AND price < 1000000),
              count(*) FILTER (WHERE price >= 1000000),
              min(price), max(price), sum(price)::BIGINT // count(*), sum(price)::BIGINT
            FROM bid GROUP BY auction, {_DAY}""",
    18: """SELECT * EXCLUDE seq FROM bid
           QUALIFY row_number() OVER (
             PARTITION BY bidder, auction ORDER BY dateTime DESC, seq DESC) = 1""",
    19: """SELECT * EXCLUDE seq,
             row_number() OVER (PARTITION BY auction ORDER BY price DESC, seq) AS place
           FROM bid QUALIFY place <= 10""",
    20: f"""SELECT b.* EXCLUDE seq, {_OF_AUCTION}
            FROM bid AS b JOIN auction AS a ON b.auction = a.id WHERE category = 10""",
    21: """SELECT auction, bidder, price, channel, coalesce(
             CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1'
                                 WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3' END,
             nullif(split_part(split_part(url, '&channel_id=', 2), '&', 1), '')) AS id
           FROM bid WHERE id IS NOT NULL""",
    22: """SELECT auction, bidder, price, channel,
             split_part(url, '/', 4), split_part(url, '/', 5), split_part(url, '/', 6) FROM bid""",
    23: f"""SELECT bidder, price, channel, url, b.extra, p.* EXCLUDE (dateTime, seq), {_OF_AUCTION}
            FROM bid AS b JOIN person AS p ON bidder = p.id JOIN auction AS a ON seller = p.id""",
}
IN_BATCH = ANSWERS | {
    12: """SELECT bidder, count(*), TIMESTAMP '2026-01-01 00:00:00', TIMESTAMP '2026-01-01 00:00:10'
           FROM bid GROUP BY bidder""",
    13: """SELECT auction, bidder, price, dateTime, "value"
           FROM bid JOIN side_input ON "key" = auction % 10000""",
}
"""As benchmarks ask: q12 with one window, for DuckDB has no windows by the clock, and q13 with the
table ``side_input`` to look up."""
