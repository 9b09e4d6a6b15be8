"""What Datasette is told of the store: titles, descriptions, facets, sizes, queries."""

from __future__ import annotations

from typing import Any

from fitecli.store import VIEWS, Query, ten_queries
from fitecli.store.tables import METADATA

NAME = "fite"  # of the database in addresses, whatever the file is called
HIDDEN = ("alembic_version", "lease")
FACETS = {
    "face_descriptions": ("features", "dataset", "split", "emotion", "gender", "label", "aligner"),
    "tweet_aspects": ("dataset", "split", "label", "origin"),
    "predictions": ("features", "model", "dataset", "split", "label", "prediction"),
    "tweet": ("dataset", "split"),
    "aspect": ("label", "origin"),
    "face": ("worker_id", "emotion", "gender"),
    "caption": ("worker_id",),
    "analysis": ("subject_kind", "worker_id", "status"),
    "worker": ("kind",),
    "alignment": ("worker_id",),
    "description": ("feature_set_id",),
    "prediction": ("model_id", "feature_set_id", "label"),
    "run": ("preset", "status"),
    "reject": ("dataset", "source"),
}
SORTED = {
    "face_descriptions": {"sort": "tweet"},
    "tweet_aspects": {"sort": "tweet"},
    "predictions": {"sort_desc": "predicted_at"},
}
SIZES = {"face_descriptions": 20, "tweet_aspects": 50, "predictions": 50}
LABELS = {  # what a row is called where another table points to it
    "tweet": "source_id",
    "aspect": "text",
    "image": "name",
    "worker": "name",
    "feature_set": "name",
    "model": "name",
    "description": "text",
}


def metadata(place: str, *, small: bool, blur: bool) -> dict[str, Any]:
    """Datasette's metadata of a store.

    small: views are sorted; in a large store that would take longer than a page may.
    """
    tables = {name: _view(name, small) for name in VIEWS}
    tables |= {name: _table(name) for name in METADATA.tables}
    for name in HIDDEN:
        tables[name] = {**tables.get(name, {}), "hidden": True}
    about = f"{place}, opened read-only." + (
        " The faces that were found are blurred." if blur else ""
    )
    queries = {query.name: _query(query) for query in ten_queries()}
    database = {"title": "The store", "description": about, "tables": tables, "queries": queries}
    return {"title": "fite", "description": about, "databases": {NAME: database}}


def _view(name: str, small: bool) -> dict[str, Any]:
    view = VIEWS[name]
    told = {"description": view.about, "columns": view.columns, "facets": [*FACETS[name]]}
    return {**told, "size": SIZES[name], **(SORTED[name] if small else {})}


def _table(name: str) -> dict[str, Any]:
    table = METADATA.tables[name]
    told: dict[str, Any] = {
        "description": table.info["about"],
        "columns": {column.name: column.doc for column in table.columns},
    }
    if name in FACETS:
        told["facets"] = [*FACETS[name]]
    if name in LABELS:
        told["label_column"] = LABELS[name]
    return told


def _query(query: Query) -> dict[str, Any]:
    defaults = (f"{name} is {value} unless it is given" for name, value in query.parameters.items())
    told = {"title": query.title, "sql": query.asking, "params": [*query.parameters]}
    return {**told, "description": "; ".join(defaults) + "."} if query.parameters else told
