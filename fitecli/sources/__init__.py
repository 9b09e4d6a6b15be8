"""Readers: a file of any known format becomes a stream of Tweet or Reject."""

from fitecli.sources.found_aspects import find_aspects
from fitecli.sources.reading import FORMATS, read

__all__ = ["FORMATS", "find_aspects", "read"]
