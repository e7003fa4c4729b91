"""The Nexmark queries as Polars says them, over the whole input at once.

in      lazy frames of persons, auctions and bids, with ``seq``, the number of the event
out     QUERIES: per query a lazy frame with the columns of the query's sink, in its order
left    q6 (an average over the rows before needs a frame per row) is not said
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import polars as pl
from polars import col

DAY, MINUTE = col("dateTime").dt.strftime("%Y-%m-%d"), col("dateTime").dt.strftime("%H:%M")
EURO = (col("price").cast(pl.Decimal(20, 0)) * pl.lit("0.908").cast(pl.Decimal(3, 3))).cast(
    pl.Decimal(23, 3)
)
SECONDS_10 = timedelta(seconds=10)
AUCTION = ("itemName", "description", "initialBid", "reserve", "dateTime", "expires", "seller",
           "category", "extra")  # fmt: skip
BID = ("auction", "bidder", "price", "channel", "url", "dateTime", "extra")


@dataclass(frozen=True, slots=True)
class Tables:
    """What a query reads."""

    person: pl.LazyFrame
    auction: pl.LazyFrame
    bid: pl.LazyFrame
    side_input: pl.LazyFrame


def q0(t: Tables) -> pl.LazyFrame:
    return t.bid.select("auction", "bidder", "price", "dateTime", "extra")


def q1(t: Tables) -> pl.LazyFrame:
    return t.bid.select("auction", "bidder", EURO, "dateTime", "extra")


def q2(t: Tables) -> pl.LazyFrame:
    return t.bid.filter(col("auction") % 123 == 0).select("auction", "price")


def q3(t: Tables) -> pl.LazyFrame:
    persons = t.person.filter(col("state").is_in(["OR", "ID", "CA"]))
    auctions = t.auction.filter(col("category") == 10).select("id", "seller")
    joined = auctions.join(persons, left_on="seller", right_on="id")
    return joined.select("name", "city", "state", "id")


def _while_open(t: Tables, auctions: pl.LazyFrame) -> pl.LazyFrame:
    """Join auctions (columns ``a_…``) with the bids made while they were open."""
    named = auctions.select(pl.all().name.prefix("a_"))
    joined = t.bid.join(named, left_on="auction", right_on="a_id", coalesce=False)
    return joined.filter(col("dateTime").is_between(col("a_dateTime"), col("a_expires")))


def q4(t: Tables) -> pl.LazyFrame:
    auctions = t.auction.select("id", "category", "dateTime", "expires")
    best = _while_open(t, auctions).group_by("a_id", "a_category").agg(col("price").max())
    return best.group_by("a_category").agg(col("price").sum() // pl.len())


def q5(t: Tables) -> pl.LazyFrame:
    pane = col("dateTime").dt.truncate("2s")
    panes = t.bid.group_by("auction", pane.alias("start")).agg(pl.len().alias("num"))
    shifted = [panes.with_columns(col("start") - timedelta(seconds=2 * i)) for i in range(5)]
    counted = pl.concat(shifted).group_by("auction", "start").agg(col("num").sum())
    most = counted.group_by("start").agg(col("num").max())
    return counted.join(most, on=["start", "num"]).select("auction", "num")


def q7(t: Tables) -> pl.LazyFrame:
    start = col("dateTime").dt.truncate("10s").alias("start")
    best = t.bid.group_by(start).agg(col("price").max())
    joined = t.bid.join(best, on="price")
    inside = col("dateTime").is_between(col("start"), col("start") + SECONDS_10)
    return joined.filter(inside).select("auction", "bidder", "price", "dateTime", "extra")


def q8(t: Tables) -> pl.LazyFrame:
    start = col("dateTime").dt.truncate("10s").alias("start")
    sellers = t.auction.select(col("seller").alias("id"), start).unique()
    return t.person.select("id", "name", start).unique().join(sellers, on=["id", "start"])


def q9(t: Tables) -> pl.LazyFrame:
    auctions = t.auction.drop("seq")
    order = _while_open(t, auctions).sort(
        "price", "dateTime", "seq", descending=[True, False, False]
    )
    best = order.unique("a_id", keep="first", maintain_order=True)
    of_auction = [f"a_{name}" for name in AUCTION]
    of_bid = ["auction", "bidder", "price", "dateTime", "extra"]
    return best.select("a_id", *of_auction, *of_bid)


def q11(t: Tables) -> pl.LazyFrame:
    ordered = t.bid.select("bidder", "dateTime").sort("bidder", "dateTime")
    same = col("bidder") == col("bidder").shift()
    near = (col("dateTime") - col("dateTime").shift()) <= SECONDS_10
    first = ~(same & near).fill_null(value=False)
    sessions = ordered.with_columns(first.cast(pl.UInt32).cum_sum().alias("session"))
    time = col("dateTime")
    ends = (pl.len(), time.min().alias("first"), time.max().alias("last") + SECONDS_10)
    return sessions.group_by("bidder", "session").agg(*ends).drop("session")


def q12(t: Tables) -> pl.LazyFrame:
    zero = pl.lit(0).cast(pl.Datetime("ms"))
    counted = t.bid.group_by("bidder").agg(pl.len())
    return counted.with_columns(zero.alias("start"), zero.alias("end"))


def q13(t: Tables) -> pl.LazyFrame:
    keyed = t.bid.with_columns((col("auction") % 10_000).alias("key"))
    joined = keyed.join(t.side_input, on="key")
    return joined.select("auction", "bidder", "price", "dateTime", "value")


def q14(t: Tables) -> pl.LazyFrame:
    hour = col("dateTime").dt.hour()
    part = (
        pl.when(hour.is_between(8, 18))
        .then(pl.lit("dayTime"))
        .when((hour <= 6) | (hour >= 20))
        .then(pl.lit("nightTime"))
        .otherwise(pl.lit("otherTime"))
    )
    low, high = (pl.lit(str(n)).cast(pl.Decimal(23, 3)) for n in (1_000_000, 50_000_000))
    counted = col("extra").str.count_matches("c", literal=True)
    kept = t.bid.with_columns(EURO.alias("euro")).filter((col("euro") > low) & (col("euro") < high))
    return kept.select(
        "auction", "bidder", "euro", part.alias("part"), "dateTime", "extra", counted.alias("c")
    )


_CLASSES = {
    "total": pl.lit(value=True),
    "rank1": col("price") < 10_000,
    "rank2": (col("price") >= 10_000) & (col("price") < 1_000_000),
    "rank3": col("price") >= 1_000_000,
}


def _statistics() -> list[pl.Expr]:
    """Bids, bidders and auctions, each in all and by class of price."""
    counts = [pl.len().alias("total")]
    counts += [of.sum().alias(name) for name, of in _CLASSES.items() if name != "total"]
    for what in ("bidder", "auction"):
        counts.append(col(what).n_unique().alias(f"total_{what}"))
        counts += [
            col(what).filter(of).n_unique().alias(f"{name}_{what}")
            for name, of in _CLASSES.items()
            if name != "total"
        ]
    return counts


def q15(t: Tables) -> pl.LazyFrame:
    return t.bid.group_by(DAY.alias("day")).agg(_statistics())


def q16(t: Tables) -> pl.LazyFrame:
    latest = MINUTE.max().alias("minute")
    return t.bid.group_by("channel", DAY.alias("day")).agg(latest, *_statistics())


def q17(t: Tables) -> pl.LazyFrame:
    price = col("price")
    ranks = [of.sum().alias(name) for name, of in _CLASSES.items() if name != "total"]
    return t.bid.group_by("auction", DAY.alias("day")).agg(
        pl.len(), *ranks, price.min().alias("min"), price.max().alias("max"),
        (price.sum() // pl.len()).alias("avg"), price.sum().alias("sum"),
    )  # fmt: skip


def q18(t: Tables) -> pl.LazyFrame:
    # Events are in the order of their time, so the last one of a pair is the newest.
    return t.bid.unique(["bidder", "auction"], keep="last", maintain_order=False).select(BID)


def q19(t: Tables) -> pl.LazyFrame:
    place = col("price").rank("ordinal", descending=True).over("auction").cast(pl.Int64)
    return t.bid.with_columns(place.alias("place")).filter(col("place") <= 10).select(*BID, "place")


def q20(t: Tables) -> pl.LazyFrame:
    named = t.auction.filter(col("category") == 10).select(pl.all().name.prefix("a_"))
    joined = t.bid.join(named, left_on="auction", right_on="a_id")
    return joined.select(*BID, *(f"a_{name}" for name in AUCTION))


def q21(t: Tables) -> pl.LazyFrame:
    known = {"apple": "0", "google": "1", "facebook": "2", "baidu": "3"}
    named = col("channel").str.to_lowercase().replace_strict(known, default=None)
    found = col("url").str.extract("(?:&|^)channel_id=([^&]*)", 1)
    kept = t.bid.with_columns(pl.coalesce(named, found).alias("id")).filter(col("id").is_not_null())
    return kept.select("auction", "bidder", "price", "channel", "id")


def q22(t: Tables) -> pl.LazyFrame:
    parts = col("url").str.split("/")
    cut = [parts.list.get(i, null_on_oob=True).alias(f"dir{i}") for i in (3, 4, 5)]
    return t.bid.select("auction", "bidder", "price", "channel", *cut)


def q23(t: Tables) -> pl.LazyFrame:
    persons = t.person.select(
        "id", "name", "emailAddress", "creditCard", "city", "state", col("extra").alias("p_extra")
    )
    auctions = t.auction.select(pl.all().name.prefix("a_"))
    joined = t.bid.join(persons, left_on="bidder", right_on="id", coalesce=False)
    joined = joined.join(auctions, left_on="bidder", right_on="a_seller", coalesce=False)
    of_person = ("id", "name", "emailAddress", "creditCard", "city", "state", "p_extra")
    of_auction = (f"a_{name}" for name in AUCTION)
    return joined.select("bidder", "price", "channel", "url", "extra", *of_person, *of_auction)


QUERIES: dict[int, Callable[[Tables], pl.LazyFrame]] = {
    0: q0, 1: q1, 2: q2, 3: q3, 4: q4, 5: q5, 7: q7, 8: q8, 9: q9, 11: q11, 12: q12, 13: q13,
    14: q14, 15: q15, 16: q16, 17: q17, 18: q18, 19: q19, 20: q20, 21: q21, 22: q22, 23: q23,
}  # fmt: skip
