"""The gated network, its presets and its training; the only room that owns torch for learning."""
