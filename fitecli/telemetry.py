"""Libraries that tell their makers who uses them are asked not to, before any of them is loaded."""

from __future__ import annotations

import os
import sys

OPT_OUTS = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime, which has one outside of Windows since 1.30
    "ORT_TELEMETRY_DISABLED": "1",  # the same, as other versions call it
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
REPORTERS = ("openvino_telemetry",)  # packages that do nothing else; OpenVINO does without


def opt_out() -> None:
    """For this process and its children: what nobody has set is set, what reports is not found."""
    for name, value in OPT_OUTS.items():
        os.environ.setdefault(name, value)
    for package in REPORTERS:
        sys.modules.setdefault(package, None)  # type: ignore[arg-type] # as if not installed
