"""Models, runs, epochs and predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, delete, select, update

from fitecli.records import Prediction
from fitecli.store.connection import StoreConnection, now, tables
from fitecli.store.rows import EpochRow, RunRow

CHUNK = 1000  # aspects asked for at once


class Learning(StoreConnection):
    """Verbs about what is learned and predicted."""

    def register_model(
        self,
        name: str,
        path: str,
        sha256: str,
        *,
        preset: str | None = None,
        precision: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> int:
        """Find or make the row of a model, by the sha256 of its weights; the place is refreshed."""
        row = {
            "name": name,
            "path": path,
            "sha256": sha256,
            "preset": preset,
            "precision": precision,
            "config": dict(config or {}),
            "created_at": now(),
        }
        table, query = tables["model"], _by_weights(sha256)
        with self._writing() as connection:
            known = connection.execute(query).scalar()
            if known is None:
                self._insert_new(connection, "model", [row])
                return int(connection.execute(query).scalar_one())
            connection.execute(
                update(table).where(table.c.id == known).values(name=name, path=path)
            )
            return int(known)

    def find_model(self, sha256: str) -> int | None:
        """The row of a model by the sha256 of its weights, if there is one."""
        with self._reading() as connection:
            found: int | None = connection.execute(_by_weights(sha256)).scalar()
        return found

    def start_run(
        self,
        *,
        preset: str,
        seed: int,
        datasets: Sequence[str],
        feature_set_id: int,
        settings: Mapping[str, Any],
        fingerprint: str,
        output: str,
    ) -> int:
        """Make the row of a run that begins now."""
        table = tables["run"]
        row = {
            "preset": preset,
            "seed": seed,
            "datasets": list(datasets),
            "feature_set_id": feature_set_id,
            "settings": dict(settings),
            "fingerprint": fingerprint,
            "output": output,
            "status": "running",
            "started_at": now(),
        }
        with self._writing() as connection:
            result = connection.execute(table.insert().values(**row))
            key = result.inserted_primary_key
            assert key is not None  # noqa: S101 - for mypy: a row was inserted
            return int(key[0])

    def find_run(
        self,
        fingerprint: str,
        seed: int,
        output: str | None = None,
        *,
        status: str | None = None,
    ) -> RunRow | None:
        """The last run of this preset, data and seed (and output and status, where given)."""
        table = tables["run"]
        query = select(table.c.id, table.c.seed, table.c.status, table.c.output).where(
            table.c.fingerprint == fingerprint, table.c.seed == seed
        )
        if output is not None:
            query = query.where(table.c.output == output)
        if status is not None:
            query = query.where(table.c.status == status)
        with self._reading() as connection:
            row = connection.execute(query.order_by(table.c.id.desc())).first()
        return None if row is None else RunRow(*row)

    def add_epoch(self, run_id: int, epoch: EpochRow) -> None:
        """Keep an epoch of a run; the same again replaces it."""
        row = {
            "run_id": run_id,
            "number": epoch.number,
            "train_loss": epoch.train_loss,
            "dev_loss": epoch.dev_loss,
            "dev_accuracy": epoch.dev_accuracy,
            "dev_macro_f1": epoch.dev_macro_f1,
            "seconds": epoch.seconds,
            "finished_at": now(),
        }
        with self._writing() as connection:
            self._upsert(connection, "epoch", [row], ("run_id", "number"))

    def finish_run(self, run_id: int, status: str, **values: Any) -> None:
        """End a run: status done, interrupted or failed; values are further columns."""
        table = tables["run"]
        values |= {"status": status, "finished_at": now()}
        with self._writing() as connection:
            connection.execute(update(table).where(table.c.id == run_id).values(**values))

    def models_of_recipe(self, folder: str) -> list[int]:
        """The models of all finished runs with the recipe and data of the run in a folder."""
        run = tables["run"]
        same = select(run.c.fingerprint).where(run.c.output == folder, run.c.status == "done")
        query = select(run.c.model_id).where(
            run.c.fingerprint.in_(same), run.c.status == "done", run.c.model_id.is_not(None)
        )
        with self._reading() as connection:
            return sorted(set(connection.execute(query).scalars()))

    def known_predictions(self, model_id: int, aspect_ids: Sequence[int]) -> dict[str, Prediction]:
        """sha256 of an input -> what the model predicted for it, of the inputs of these aspects."""
        table = tables["prediction"]
        found: dict[str, Prediction] = {}
        with self._reading() as connection:
            for start in range(0, len(aspect_ids), CHUNK):
                query = select(table).where(
                    table.c.model_id == model_id,
                    table.c.aspect_id.in_(aspect_ids[start : start + CHUNK]),
                )
                found |= {row.input_sha256: _prediction(row) for row in connection.execute(query)}
        return found

    def save_predictions(
        self,
        model_id: int,
        feature_set_id: int,
        rows: Sequence[tuple[int, str, Prediction]],
    ) -> None:
        """Keep predictions: aspect id, sha256 of the input, prediction; those that the model made of
        these aspects under these features before are replaced. Where it has made all of them of the
        same inputs, nothing is written."""
        table, inputs = tables["prediction"], {aspect_id: digest for aspect_id, digest, _ in rows}
        earlier = select(table.c.id, table.c.aspect_id, table.c.input_sha256).where(
            self._among(table.c.aspect_id, inputs),
            table.c.model_id == model_id,
            table.c.feature_set_id + 0 == feature_set_id,
        )
        with self._reading() as connection:
            found = connection.execute(earlier).all() if rows else ()
        if sorted((row.aspect_id, row.input_sha256) for row in found) == sorted(inputs.items()):
            return
        values = [
            {
                "aspect_id": aspect_id,
                "model_id": model_id,
                "feature_set_id": feature_set_id,
                "input_sha256": digest,
                "label": prediction.label,
                "negative": prediction.scores[0],
                "neutral": prediction.scores[1],
                "positive": prediction.scores[2],
                "gate": prediction.gate,
                "created_at": now(),
            }
            for aspect_id, digest, prediction in rows
        ]
        with self._writing() as connection:
            found = connection.execute(earlier).all()
            stale = [row.id for row in found if row.input_sha256 != inputs[row.aspect_id]]
            if stale:
                connection.execute(delete(table).where(self._among(table.c.id, stale)))
            keys = ("aspect_id", "model_id", "input_sha256", "feature_set_id")
            self._upsert(connection, "prediction", values, keys)


def _by_weights(sha256: str) -> Select[Any]:
    table = tables["model"]
    return select(table.c.id).where(table.c.sha256 == sha256)


def _prediction(row: Any) -> Prediction:
    return Prediction(row.label, (row.negative, row.neutral, row.positive), row.gate)
