"""Fitting a tag model: features of a sample, LSA, spherical k-means from several starts, names and measures.

The start with the highest mean cosine is taken. Everything is a function of the pool's documents and the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from curation.dedup.spherical_kmeans import assign, fit
from curation.errors import RecipeError
from curation.files import Json, digest_json
from curation.progress import Progress
from curation.randomness import generator, stable_hash
from curation.recipe import as_json
from curation.store import Artifact
from curation.tags.agreement import DIGITS, Agreement, adjusted_rand, silhouette
from curation.tags.lsa import fit_projection, inverse_frequencies
from curation.tags.model import Cluster, Header, Rows, TagModel
from curation.tags.names import DOCS_PER_CLUSTER, cluster_names, top_words
from curation.tags.sample import NO_LABEL, Sample, draw_sample, sample_features
from curation.tags.settings import MIN_DOCS_PER_CLUSTER, FitSettings

SILHOUETTE_DOCS = 2_000
EXAMPLES = 5

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """Runs of k-means: the best run's centroids, and how far the runs agree."""

    centroids: Rows
    objectives: tuple[float, ...]
    """Mean cosine of each start."""
    agreement: tuple[float, ...]
    """Adjusted Rand index of every pair of starts."""


def fit_tags(pool: Artifact, settings: FitSettings, progress: Progress, *, against: str | None = None) -> TagModel:
    """Return a model of the pool's topics.

    Raises: RecipeError for fewer than 10 documents with text a cluster, or an unknown column `against`.
    """
    from threadpoolctl import threadpool_limits

    sample = draw_sample(pool, settings, progress, against=against)
    with threadpool_limits(1), progress.task("tags: fit", 3 + settings.starts) as task:
        features = sample_features(sample, settings)
        _refuse_few(int((np.diff(features.starts) > 0).sum()), len(sample.ids), settings)
        task.advance()
        idf = inverse_frequencies(features, settings.buckets, settings.min_docs)
        projection = fit_projection(features, idf, settings.dims, seed=settings.seed)
        task.advance()
        model = _bare(settings, projection)
        rows = np.concatenate([model.rows(chunk) for chunk in sample.heads.chunks])
        known = np.flatnonzero(rows.any(axis=1))
        runs = k_means(rows[known], settings, task.advance)
        centroids, labels, cosine = _without_empty(model, runs.centroids, rows)
        header = model.header.model_copy(
            update={
                "clusters": _clusters(sample, labels, cosine, len(centroids)),
                "fit": _fitted_on(pool, sample, settings, known=len(known)),
            }
        )
        measures = _measures(rows, centroids, labels, cosine, runs)
        if sample.labels is not None:
            measures["against"] = {"column": against, **_against(sample.labels, labels, header)}
        task.advance()
    return TagModel(header=header.model_copy(update={"measures": measures}), projection=projection, centroids=centroids)


def k_means(rows: Rows, settings: FitSettings, on_start: Callable[[], None] | None = None) -> Starts:
    """Return the best of `starts` runs over unit rows; the first of equally good ones."""
    best: Rows | None = None
    objectives: list[float] = []
    labels: list[Ints] = []
    for start in range(settings.starts):
        seed = stable_hash("tags", "k-means", settings.seed, start)
        centroids = fit(rows, settings.clusters, settings.rounds, seed=seed)
        nearest, cosine = assign(rows, centroids)
        objective = float(cosine.astype(np.float64).mean())
        if best is None or objective > max(objectives):
            best = centroids
        objectives.append(objective)
        labels.append(nearest)
        if on_start is not None:
            on_start()
    pairs = [adjusted_rand(labels[a], labels[b]) for a, b in combinations(range(settings.starts), 2)]
    assert best is not None
    return Starts(centroids=best, objectives=tuple(objectives), agreement=tuple(pairs))


def _refuse_few(num_known: int, num_docs: int, settings: FitSettings) -> None:
    needed = settings.clusters * MIN_DOCS_PER_CLUSTER
    if num_known < needed:
        raise RecipeError(
            f"curate tags fit: {num_known:,} of {num_docs:,} documents of the sample have text to go by, expected at "
            f"least {needed:,} for {settings.clusters} clusters; ask for fewer clusters, or give more documents"
        )


def _bare(settings: FitSettings, projection: Rows) -> TagModel:
    header = Header(settings=settings.features(), clusters=())
    return TagModel(header=header, projection=projection, centroids=np.zeros((0, projection.shape[1]), np.float32))


def _without_empty(model: TagModel, centroids: Rows, rows: Rows) -> tuple[Rows, Ints, Rows]:
    """Return the centroids that some row is nearest to, largest cluster first, with every row's label and cosine."""
    labels = TagModel(header=model.header, projection=model.projection, centroids=centroids).nearest(rows)[0]
    sizes = np.bincount(labels[labels >= 0], minlength=len(centroids))
    order = [int(i) for i in np.lexsort((np.arange(len(sizes)), -sizes)) if sizes[i]]
    kept = np.ascontiguousarray(centroids[order])
    labels, cosine = TagModel(header=model.header, projection=model.projection, centroids=kept).nearest(rows)
    return kept, labels, cosine


def _clusters(sample: Sample, labels: Ints, cosine: Rows, number: int) -> tuple[Cluster, ...]:
    nearest_first = np.lexsort((np.array(sample.ids, np.str_), -cosine))
    members = [nearest_first[labels[nearest_first] == cluster] for cluster in range(number)]
    groups = [_texts(sample, _spread(own)) for own in members]
    words = top_words(groups)
    names = cluster_names(words, [" ".join(group)[:4_000] for group in groups])
    return tuple(
        Cluster(
            name=names[cluster],
            docs=len(own),
            cosine=round(float(cosine[own].astype(np.float64).mean()), DIGITS),
            words=tuple(words[cluster]),
            examples=tuple(sample.ids[row] for row in own[:EXAMPLES]),
        )
        for cluster, own in enumerate(members)
    )


def _spread(members: Ints) -> Ints:
    """Return at most `DOCS_PER_CLUSTER` members at even steps from the nearest to the farthest."""
    steps = np.linspace(0, len(members) - 1, min(len(members), DOCS_PER_CLUSTER))
    return members[np.unique(steps.round().astype(np.int64))]


def _texts(sample: Sample, rows: Ints) -> list[str]:
    found: list[str] = sample.heads.take(rows).to_pylist()
    return found


def _fitted_on(pool: Artifact, sample: Sample, settings: FitSettings, *, known: int) -> dict[str, Json]:
    return {
        "settings": as_json(settings),
        "pool": pool.fingerprint,
        "pool_docs": sample.pool_docs,
        "sample_docs": len(sample.ids),
        "docs_without_tag": len(sample.ids) - known,
        "sample_digest": digest_json(sorted(sample.ids)),
    }


def _measures(rows: Rows, centroids: Rows, labels: Ints, cosine: Rows, runs: Starts) -> dict[str, Json]:
    known = np.flatnonzero(labels >= 0)
    drawn = generator(0, "tags", "silhouette").permutation(len(known))[:SILHOUETTE_DOCS]
    some = known[np.sort(drawn)]
    between = (centroids @ centroids.T)[~np.eye(len(centroids), dtype=bool)]
    return {
        "within_cosine": round(float(cosine[known].astype(np.float64).mean()), DIGITS),
        "between_cosine": round(float(between.astype(np.float64).mean()), DIGITS) if len(between) else 0.0,
        "silhouette": round(silhouette(rows[some], labels[some]), DIGITS),
        "silhouette_docs": len(some),
        "starts": len(runs.objectives),
        "objective_best": round(max(runs.objectives), 6),
        "objective_worst": round(min(runs.objectives), 6),
        "stability_ari_mean": round(float(np.mean(runs.agreement)), DIGITS),
        "stability_ari_min": round(min(runs.agreement), DIGITS),
    }


def _against(columns: Sequence[str], labels: Ints, header: Header) -> dict[str, Json]:
    """Return how the tags agree with the labels, over documents that have both."""
    both = [i for i, label in enumerate(columns) if label != NO_LABEL and labels[i] >= 0]
    if not both:
        raise RecipeError("--against: no document of the sample has such a label; choose another column")
    tags = [header.clusters[labels[i]].name for i in both]
    return Agreement.of(tags, [columns[i] for i in both]).as_json()
