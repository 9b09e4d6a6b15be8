"""fite tells how a tweet feels about each entity it mentions, from its text and its faces."""

__version__ = "0.1.0"
