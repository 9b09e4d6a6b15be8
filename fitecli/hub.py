"""Models of the Hugging Face hub: fetched and checked against what it declares, and brought there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from fitecli.catalogue import HUB, Weights
from fitecli.downloads import SUMS, record, recorded, sha256_of
from fitecli.errors import MissingWeights, UploadFailed

if TYPE_CHECKING:
    from huggingface_hub import RepoFile

PICKLE, SAFE = "pytorch_model.bin", "model.safetensors"


def fetch(
    weights: Weights, folder: Path, tell: Callable[[str], None] = lambda message: None
) -> Path:
    """Bring a folder to what the hub has of a model; what is there and right is not fetched again.

    Only files of the repository's first level, by the weights' patterns. Each is compared with the
    sha256 (git LFS) or the git blob that the hub declares, and with what is pinned; all are
    recorded. Weights that the hub has as a pickle only are rewritten as safetensors, if the
    catalogue says so of them, else refused. Raises MissingWeights.
    """
    repository = weights.repository or weights.name
    from huggingface_hub import HfApi, RepoFile, snapshot_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        commit = weights.revision or HfApi().model_info(repository).sha
        tree = HfApi().list_repo_tree(repository, revision=commit)
        declared = {item.path: item for item in tree if isinstance(item, RepoFile) and _plain(item)}
        wanted = _wanted(declared, weights.patterns, folder)
        if PICKLE in wanted and not weights.pickle:
            raise ValueError(f"it has its weights as {PICKLE} only, which can hold code")
        lacking = [name for name in wanted if not _right(folder / name, declared[name])]
        for name in lacking:
            (folder / name).unlink(missing_ok=True)
        if lacking:
            snapshot_download(repository, revision=commit, local_dir=folder, allow_patterns=lacking)
    except (HTTPError, OSError, ValueError) as exc:
        reason = (str(exc).strip() or type(exc).__name__).splitlines()[0]
        raise MissingWeights(
            f"{repository} cannot be fetched ({reason}). By hand: put "
            f"{', '.join(weights.patterns)} of {HUB}{repository}/tree/{weights.revision or 'main'} "
            f"into {folder}."
        ) from exc
    for name in lacking:
        _check(folder / name, declared[name], weights.pins.get(name))
    if PICKLE in wanted:
        _rewrite(folder)
        tell(f"{repository} is a pickle on the hub; its weights were rewritten as {SAFE}.")
        wanted[wanted.index(PICKLE)] = SAFE
    record(folder, {name: sha256_of(folder / name) for name in wanted})
    return folder


def push(
    repository: str, files: Mapping[str, Path | bytes], *, private: bool = False, message: str = ""
) -> str:
    """Bring files to a model's repository in one commit, which is made if need be; its address.

    files: name in the repository -> the file, or what it holds. private: of a new repository. The
    token is the client's own: HF_TOKEN, or that of `hf auth login`. Raises UploadFailed.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    api = HfApi()
    operations = [
        CommitOperationAdd(name, content if isinstance(content, bytes) else str(content))
        for name, content in files.items()
    ]
    try:
        made = api.create_repo(repository, private=private, exist_ok=True)
        api.create_commit(made.repo_id, operations, commit_message=message or "Upload a model")
    except (HTTPError, OSError, ValueError, RuntimeError) as exc:
        reason = (str(exc).strip() or type(exc).__name__).splitlines()[0]
        raise UploadFailed(
            f"{repository} cannot be written ({reason}). A token that may write comes from "
            "HF_TOKEN, or from `hf auth login`."
        ) from exc
    return str(made)


def _plain(declared: RepoFile) -> bool:
    """Whether a name stays in the folder, and is no name of ours."""
    return not re.search(r"[/\\:]", declared.path) and declared.path not in (".", "..", SUMS)


def _wanted(declared: Mapping[str, RepoFile], patterns: Sequence[str], folder: Path) -> list[str]:
    """The names that match; the pickle where there are no other weights, and none rewritten."""
    wanted = [name for name in declared if any(fnmatch(name, pattern) for pattern in patterns)]
    if any(name.endswith(".safetensors") for name in wanted) or PICKLE not in declared:
        return wanted
    safe = folder / SAFE
    rewritten = safe.is_file() and recorded(folder).get(SAFE) == sha256_of(safe)
    return wanted if rewritten else [*wanted, PICKLE]


def _right(path: Path, declared: RepoFile) -> bool:
    """Whether a file is the one that the hub declares."""
    if not path.is_file():
        return False
    if declared.lfs is not None:
        return sha256_of(path) == declared.lfs.sha256
    content = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return blob.hexdigest() == declared.blob_id


def _check(path: Path, declared: RepoFile, pin: str | None) -> None:
    """Remove a fetched file that is not the declared or the pinned one; raises MissingWeights."""
    if not _right(path, declared) or (pin is not None and pin != sha256_of(path)):
        path.unlink()
        other = "declares" if pin is None else "declares, or not the pinned one"
        raise MissingWeights(
            f"{path.name} came otherwise than the hub {other}; it was not kept. Try again."
        )


def _rewrite(folder: Path) -> None:
    """Turn the pickle into safetensors, without running what it may hold; raises MissingWeights."""
    from pickle import UnpicklingError

    import torch
    from safetensors.torch import save_file

    try:
        state = torch.load(folder / PICKLE, map_location="cpu", weights_only=True)
        tensors = {name: tensor.clone().contiguous() for name, tensor in state.items()}
    except (UnpicklingError, RuntimeError, AttributeError) as exc:
        raise MissingWeights(
            f"{folder / PICKLE} cannot be rewritten as {SAFE} ({exc}). Name a revision or a model that has "
            "safetensors."
        ) from exc
    save_file(tensors, folder / SAFE, metadata={"format": "pt"})
    (folder / PICKLE).unlink()
