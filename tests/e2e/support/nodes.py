"""What the tests of clients tell of two nodes: "a" gets half way and completes, "b" fails."""

EVENTS = {
    "a": [("node_started", "INFO"), ("node_progress", "INFO"), ("node_completed", "INFO")],
    "b": [("node_started", "INFO"), ("node_failed", "ERROR")],
}


def events_of(records):
    """node → its events with their levels, in the order of the log. Between two nodes none is promised."""
    told = {}
    for record in records:
        if "event_type" in record:
            told.setdefault(record["node_id"], []).append((record["event_type"], record["level"]))
    return told


def the_event(records, event_type, node_id):
    """It, and what goes on from it."""
    at = [(record.get("event_type"), record.get("node_id")) for record in records].index((event_type, node_id))
    rest = records[at + 1 :]
    more = next((i for i, record in enumerate(rest) if not record.get("continues")), len(rest))
    return records[at], rest[:more]
