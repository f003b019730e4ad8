"""Compares tables with an answer of the query API: compare.py ANSWER.json TABLES.

ANSWER.json is what a query for raw samples answered, TABLES a file or a pattern of files. Prints how many samples are the same.
"""

import json
import sys

import duckdb


def answered(path):
    with open(path) as file:
        series = json.load(file)["data"]["result"]
    return {frozenset(one["metric"].items()): [(round(t * 1000), float(v)) for t, v in one["values"]] for one in series}


def exported(tables):
    rows = duckdb.execute(
        "SELECT metric, map_entries(labels), epoch_ms(timestamp), value FROM read_parquet(?) "
        "WHERE value IS NOT NULL ORDER BY timestamp",
        [tables],
    )
    found = {}
    for metric, labels, t, value in rows.fetchall():
        key = frozenset([("__name__", metric)] + [(entry["key"], entry["value"]) for entry in labels])
        found.setdefault(key, []).append((t, value))
    return found


def main():
    expected, found = answered(sys.argv[1]), exported(sys.argv[2])
    for series in expected.keys() | found.keys():
        one, other = expected.get(series, []), found.get(series, [])
        if one != other:
            different = sorted(set(one) ^ set(other))[:5]
            sys.exit(f"{dict(series)}: {len(one)} samples answered, {len(other)} exported; of one alone: {different}")
    print(sum(len(samples) for samples in found.values()))


main()
