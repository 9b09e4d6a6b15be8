"""Looking at the store itself: one tweet's chain, and what is in it as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select, text

from fitecli.errors import NoExamples
from fitecli.store.connection import has_face, in_scope, tables
from fitecli.store.database import revision_of, shown
from fitecli.store.reading import Reading, indexed
from fitecli.store.rows import FeatureSetRow, Scope, StoreInfo, TweetChain


class Looking(Reading):
    """Verbs for people who look."""

    def chain(
        self, source_id: str, *, dataset: str | None = None, features: FeatureSetRow | None = None
    ) -> TweetChain:
        """All that is known of one tweet; raises NoExamples where there is none of that id."""
        found = self.find_tweet(source_id, dataset)
        number = found["id"]
        name = features.name if features else None
        worker = features.alignment_worker_id if features else None
        faces = self._rows(
            "SELECT * FROM face_descriptions WHERE tweet = :tweet AND dataset = :dataset "
            "AND features = :features ORDER BY face",
            tweet=source_id,
            dataset=found["dataset"],
            features=name,
        )
        similarities: tuple[Any, ...] = ()
        description = scale = None
        if features:
            (row,) = self.tweet_faces([number], features.face_worker_id)
            similarities = tuple(indexed(row, self.alignments([number], worker).get(number, [])))
            table, workers = tables["description"], tables["worker"]
            asked = select(table.c.text).where(
                table.c.tweet_id == number, table.c.feature_set_id == features.id
            )
            settings = select(workers.c.settings).where(workers.c.id == worker)
            with self._reading() as connection:
                description = connection.execute(asked).scalar()
                scale = (connection.execute(settings).scalar() or {}).get("scale")
        return TweetChain(
            tweet=found,
            images=self._rows(
                "SELECT tweet_image.picture AS name, tweet_image.path, image.width, image.height, "
                "image.sha256, caption.text AS caption, analysis.error FROM tweet_image "
                "JOIN image ON image.id = tweet_image.image_id "
                "LEFT JOIN caption ON caption.image_id = image.id AND caption.worker_id = :captions "
                "LEFT JOIN analysis ON analysis.subject_kind = 'image' AND "
                "analysis.subject_id = image.id AND analysis.worker_id = :faces "
                "WHERE tweet_image.tweet_id = :tweet ORDER BY tweet_image.position",
                tweet=number,
                captions=features.caption_worker_id if features else None,
                faces=features.face_worker_id if features else None,
            ),
            aspects=self._rows(
                'SELECT text, start, "end", label, origin FROM aspect '
                "WHERE tweet_id = :tweet ORDER BY position",
                tweet=number,
            ),
            faces=faces,
            similarities=similarities,
            scale=scale,
            description=description,
            predictions=self._rows(
                "SELECT * FROM predictions WHERE tweet = :tweet AND dataset = :dataset "
                "AND (features = :features OR :features IS NULL) ORDER BY start, aspect",
                tweet=source_id,
                dataset=found["dataset"],
                features=name,
            ),
        )

    def find_tweet(self, source_id: str, dataset: str | None = None) -> Mapping[str, Any]:
        """The row of a tweet, of the latest dataset that has the id; raises NoExamples."""
        tweet = tables["tweet"]
        query = select(tweet).where(tweet.c.source_id == source_id)
        if dataset is not None:
            query = query.where(tweet.c.dataset == dataset)
        with self._reading() as connection:
            found = connection.execute(query.order_by(tweet.c.id.desc())).mappings().first()
        if found is None:
            where = "the store" if dataset is None else f"the dataset {dataset!r}"
            raise NoExamples(
                f'There is no tweet {source_id!r} in {where}; `fite sql "select dataset, tweet, text '  # noqa: S608 - a message
                'from tweet_aspects limit 10"` shows some.'
            )
        return dict(found)

    def tweet_predictions(
        self, tweet_id: int, models: Mapping[int, tuple[int, str]]
    ) -> tuple[dict[str, Any], ...]:
        """What models predicted for a tweet's aspects, as rows of the view predictions.

        models: model id -> the feature set that it read, and what to call it.
        """
        aspect, prediction = tables["aspect"], tables["prediction"]
        columns = (
            prediction.c.model_id, prediction.c.feature_set_id, aspect.c.text.label("aspect"),
            aspect.c.start, aspect.c.end, aspect.c.label, prediction.c.label.label("prediction"),
            prediction.c.negative, prediction.c.neutral, prediction.c.positive, prediction.c.gate,
            prediction.c.created_at.label("predicted_at"),
        )  # fmt: skip
        query = (
            select(*columns)
            .join(prediction, prediction.c.aspect_id == aspect.c.id)
            .where(aspect.c.tweet_id == tweet_id)
            .order_by(aspect.c.position, prediction.c.id.desc())
        )
        with self._reading() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return tuple(
            row | {"model": models[row["model_id"]][1]}
            for row in rows
            if models.get(row["model_id"], (None,))[0] == row["feature_set_id"]
        )

    def texts(self, scope: Scope) -> Iterator[tuple[str, str, str | None, str | None]]:
        """Stream tweet text, aspect, source text and label of every aspect of a scope."""
        tweet, aspect = tables["tweet"], tables["aspect"]
        columns = (tweet.c.text, aspect.c.text, aspect.c.source_text, aspect.c.label)
        query = select(*columns).join(tweet, tweet.c.id == aspect.c.tweet_id)
        query = in_scope(query, scope)
        with self._reading() as connection:
            for row in connection.execution_options(yield_per=10_000).execute(query):
                yield row[0], row[1], row[2], row[3]

    def picture_counts(self, scope: Scope, face_worker_id: int | None) -> tuple[int, int]:
        """Pictures of a scope's tweets with aspects, and aspects whose tweet's pictures have a face."""
        tweet, aspect, link = tables["tweet"], tables["aspect"], tables["tweet_image"]
        joined = aspect.join(tweet, tweet.c.id == aspect.c.tweet_id)
        pictures = select(func.count(link.c.image_id.distinct())).select_from(
            joined.join(link, link.c.tweet_id == tweet.c.id)
        )
        faces = select(func.count(aspect.c.id)).select_from(joined).where(has_face(face_worker_id))
        with self._reading() as connection:
            return (
                int(connection.execute(in_scope(pictures, scope)).scalar_one()),
                int(connection.execute(in_scope(faces, scope)).scalar_one()),
            )

    def _rows(self, sql: str, **values: Any) -> tuple[Mapping[str, Any], ...]:
        with self._reading() as connection:
            return tuple(dict(row) for row in connection.execute(text(sql), values).mappings())

    def info(self) -> StoreInfo:
        """What is in the store."""
        with self._reading() as connection:
            rows = {
                name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                for name, table in tables.items()
            }
            worker = tables["worker"]
            query = select(worker.c.kind, worker.c.name, worker.c.version).order_by(worker.c.id)
            workers = tuple(f"{r[0]}: {r[1]} {r[2]}" for r in connection.execute(query))
            features = tables["feature_set"]
            names = tuple(connection.execute(select(features.c.name)).scalars())
            size = self._bytes(connection)
        url = self.engine.url
        return StoreInfo(
            place=shown(url),
            schema=revision_of(self.engine) or "",
            bytes=size,
            rows=rows,
            datasets=self.datasets(),
            feature_sets=names,
            workers=workers,
        )

    def _bytes(self, connection: Connection) -> int:
        """What the store takes on disk."""
        url = self.engine.url
        if url.get_backend_name() == "sqlite":
            return Path(url.database or "").stat().st_size
        query = select(func.pg_database_size(func.current_database()))
        return int(connection.execute(query).scalar_one())
