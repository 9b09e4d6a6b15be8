"""Embeddings of pictures and texts: computed once, kept as little-endian float16."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import select

from fitecli.store.connection import StoreConnection, tables

Vector = np.ndarray


class Embeddings(StoreConnection):
    """Verbs about embeddings."""

    def image_embeddings(
        self, worker_id: int, image_ids: Sequence[int]
    ) -> dict[tuple[int, str], Vector]:
        """The embeddings that are known: (image id, region) -> (D,) float32.

        region: "image", or "left,top,width,height" of a face.
        """
        table = tables["image_embedding"]
        query = select(table.c.image_id, table.c.region, table.c.vector).where(
            table.c.worker_id == worker_id, table.c.image_id.in_(image_ids)
        )
        with self._reading() as connection:
            return {(row[0], row[1]): unpack(row[2]) for row in connection.execute(query)}

    def embedding_size(self, worker_id: int) -> int | None:
        """Numbers of a worker's embeddings; None where it has made none."""
        table = tables["image_embedding"]
        query = select(table.c.vector).where(table.c.worker_id == worker_id).limit(1)
        with self._reading() as connection:
            vector = connection.execute(query).scalar()
        return None if vector is None else len(unpack(vector))

    def not_looked_at(self, worker_id: int, image_ids: Sequence[int]) -> set[int]:
        """Those of the pictures that a worker has not looked at."""
        analysis = tables["analysis"]
        query = select(analysis.c.subject_id).where(
            analysis.c.subject_kind == "image",
            analysis.c.worker_id == worker_id,
            analysis.c.subject_id.in_(image_ids),
        )
        with self._reading() as connection:
            return set(image_ids) - set(connection.execute(query).scalars())

    def save_image_embeddings(
        self, worker_id: int, vectors: Mapping[tuple[int, str], Vector]
    ) -> None:
        """Keep embeddings of pictures and faces: (image id, region) -> (D,)."""
        with self._writing() as connection:
            self._insert_new(connection, "image_embedding", image_rows(worker_id, vectors))

    def text_embeddings(self, worker_id: int, texts: Sequence[str]) -> dict[str, Vector]:
        """The embeddings that are known: text -> (D,) float32."""
        table = tables["text_embedding"]
        query = select(table.c.text, table.c.vector).where(
            table.c.worker_id == worker_id, table.c.text_sha256.in_([_sha256(t) for t in texts])
        )
        with self._reading() as connection:
            return {row[0]: unpack(row[1]) for row in connection.execute(query)}

    def save_text_embeddings(self, worker_id: int, vectors: Mapping[str, Vector]) -> None:
        """Keep embeddings of texts: text -> (D,)."""
        rows = [
            {
                "text_sha256": _sha256(text),
                "worker_id": worker_id,
                "text": text,
                "vector": pack(vector),
            }
            for text, vector in vectors.items()
        ]
        with self._writing() as connection:
            self._insert_new(connection, "text_embedding", rows)


def image_rows(worker_id: int, vectors: Mapping[tuple[int, str], Vector]) -> list[dict[str, Any]]:
    """The rows of embeddings of pictures and faces: (image id, region) -> (D,)."""
    return [
        {"image_id": key, "worker_id": worker_id, "region": region, "vector": pack(vector)}
        for (key, region), vector in vectors.items()
    ]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def pack(vector: Vector) -> bytes:
    """A vector as rows keep it: little-endian float16."""
    return np.asarray(vector, dtype="<f2").tobytes()


def unpack(blob: bytes) -> Vector:
    """A vector of a row: (D,) float32."""
    return np.frombuffer(blob, dtype="<f2").astype(np.float32)
