"""Readers: a file of any known format becomes a stream of Tweet or Reject."""

from fitecli.sources.found_aspects import find_aspects
from fitecli.sources.jsonl import of_records
from fitecli.sources.reading import FORMATS, ROOM, Source, check_format, read

__all__ = ["FORMATS", "ROOM", "Source", "check_format", "find_aspects", "of_records", "read"]
