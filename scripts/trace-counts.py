#!/usr/bin/env python3
"""Whether a trace of `simctl run --trace perfetto` says what the tables of its folder say.

    pip install perfetto
    simctl run scenarios/thousand-nodes.toml --trace perfetto
    python3 scripts/trace-counts.py results/thousand-nodes

The trace processor of the package `perfetto` answers, which the package downloads when it is used for the first time
(`--shell PATH` names one that is there). With `--decode` the trace is read by the package's protobuf classes instead, without
any download. Ends with 1 if a count differs.
"""

import argparse
import csv
import glob
import os
import re
import sys
from collections import Counter

# A count by name, and the query of the trace processor that gives it.
QUERIES = {
    "tasks": "select count() from slice where category = 'task'",
    "running": "select count() from slice where category = 'state' and name = 'running'",
    "unfinished": "select count() from slice where dur < 0",
    "node tracks": "select count(distinct extract_arg(arg_set_id, 'debug.node')) from slice where category = 'task'",
    "power losses": "select count() from slice where name = 'no power'",
    "packets that were not read": "select ifnull(sum(value), 0) from stats where severity in ('error', 'data_loss')",
}


def by_trace_processor(path, shell):
    from perfetto.trace_processor import TraceProcessor, TraceProcessorConfig

    config = TraceProcessorConfig(bin_path=shell) if shell else TraceProcessorConfig()
    with TraceProcessor(trace=path, config=config) as processor:
        one = lambda query: next(iter(vars(next(iter(processor.query(query)))).values()))
        return {name: one(query) for name, query in QUERIES.items()}


def by_decoding(path):
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

    trace = Trace()
    with open(path, "rb") as file:
        trace.ParseFromString(file.read())
    tracks, counts, nodes = set(), Counter(), set()
    open_slices, last = {}, {}
    for packet in trace.packet:
        if packet.HasField("track_descriptor"):
            descriptor = packet.track_descriptor
            assert descriptor.uuid not in tracks, "a track is described once"
            assert not descriptor.parent_uuid or descriptor.parent_uuid in tracks, "a parent comes first"
            tracks.add(descriptor.uuid)
        if not packet.HasField("track_event"):
            continue
        event = packet.track_event
        assert event.track_uuid in tracks, "a track is described before it is used"
        if event.type == TrackEvent.TYPE_COUNTER:
            continue
        assert last.get(event.track_uuid, 0) <= packet.timestamp, "time goes on"
        last[event.track_uuid] = packet.timestamp
        stack = open_slices.setdefault(event.track_uuid, [])
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            category = event.categories[0]
            stack.append(event.name)
            # The trace processor nests what is open on one track; here are never more than a task and its state.
            assert len(stack) <= 2, stack
            if category == "task":
                counts["tasks"] += 1
                nodes.update(note.string_value for note in event.debug_annotations if note.name == "node")
            if category == "state" and event.name == "running":
                counts["running"] += 1
            if event.name == "no power":
                counts["power losses"] += 1
        elif event.type == TrackEvent.TYPE_SLICE_END:
            assert stack, "what ends was begun"
            stack.pop()
    return {
        "tasks": counts["tasks"],
        "running": counts["running"],
        "unfinished": sum(len(stack) for stack in open_slices.values()),
        "node tracks": len(nodes),
        "power losses": counts["power losses"],
        "packets that were not read": 0,
    }


def by_tables(folder, strategy):
    def rows(name):
        with open(os.path.join(folder, name), newline="") as file:
            return [row for row in csv.DictReader(file) if named(row) == strategy and row["replication"] == "1"]

    def named(row):
        # As the name of the file has it.
        return re.sub(r"[^A-Za-z0-9_+=.-]", "-", row["strategy"])

    tasks = rows("tasks.csv")
    return {
        "tasks": sum(row["node"] != "" for row in tasks),
        "running": sum(row["running_s"] != "" for row in tasks),
        "unfinished": 0,
        "node tracks": len({row["node"] for row in tasks if row["node"]}),
        "power losses": None,
        "packets that were not read": 0,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="a result folder")
    parser.add_argument("--decode", action="store_true", help="read the trace by protobuf, without the trace processor")
    parser.add_argument("--shell", help="a trace_processor_shell that is there")
    args = parser.parse_args()
    paths = sorted(glob.glob(os.path.join(args.folder, "trace-*.pftrace")))
    paths = [path for path in paths if not path.split(".")[-2].isdigit()]
    if not paths:
        sys.exit(f"{args.folder}: no trace-STRATEGY.pftrace")
    differs = False
    for path in paths:
        strategy = os.path.basename(path)[len("trace-") : -len(".pftrace")]
        told = by_decoding(path) if args.decode else by_trace_processor(path, args.shell)
        known = by_tables(args.folder, strategy)
        for name, count in told.items():
            expected = known[name]
            is_same = expected is None or count == expected
            differs |= not is_same
            print(f"{strategy}: {name}: {count}" + ("" if is_same else f", and {expected} by the tables"))
    sys.exit(1 if differs else 0)


if __name__ == "__main__":
    main()
