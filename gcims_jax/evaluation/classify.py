"""Classifiers that judge whether synthetic records help; all scikit-learn, all fitted on parts.

``fit`` gives what it learned with the records behind it, and ``answer`` refuses held-out records that are among them, so no
score is made without that check.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler
from sklearn.svm import SVC

from gcims_jax.errors import InputError, suggest
from gcims_jax.evaluation import guard
from gcims_jax.parts import Learned, Part


@dataclasses.dataclass(frozen=True)
class ClassifierConfig:
    """Which classifier, and its size.

    Attributes:
      name: a key of ``CLASSIFIERS``.
      components: principal or partial least squares components; fewer where the training set has fewer.
      trees: of the random forest and of extra trees; rounds of boosting.
      cost: C of the support vector machine and of logistic regression; higher fits training records more closely; 0 takes the
        usual one, 10 and 1.
      class_weights: every class counts the same, however few its records; the support vector machine and logistic regression
        always do that, discriminants and nearest neighbour cannot.
      estimator: a classifier of scikit-learn, or that behaves like one, in place of those of ``CLASSIFIERS``; it sees whole
        records as rows, and ``name`` is what tables call it. Its ``class_weight`` and ``random_state`` are set where it has them
        and they are None.
    """

    name: str = "pca_rf"
    components: int = 22
    trees: int = 100
    cost: float = 0.0
    class_weights: bool = False
    estimator: Any = None

    def __post_init__(self) -> None:
        if self.estimator is None and self.name not in CLASSIFIERS:
            raise InputError(
                f"classifier.name: expected one of {sorted(CLASSIFIERS)}, got {self.name!r}"
                + suggest(self.name, CLASSIFIERS)
            )
        for name in ("components", "trees"):
            if getattr(self, name) < 1:
                raise InputError(f"classifier.{name}: expected 1 or more, got {getattr(self, name)}")
        if not 0.0 <= self.cost < np.inf:
            raise InputError(f"classifier.cost: expected a number of 0 or more, got {self.cost}")


class Answers(NamedTuple):
    """What a classifier says of M held-out records.

    Attributes:
      predicted_M: label of each.
      scores_MxK: score of each class, higher is likelier, in the classifier's own unit; NaN for a class that it does not know.
    """

    predicted_M: np.ndarray
    scores_MxK: np.ndarray


def _pca_rf(config: ClassifierConfig, seed: int) -> ClassifierMixin:
    """The paper's: principal components, then a random forest."""
    # One thread: for a few hundred records starting more takes longer than the trees.
    return RandomForestClassifier(config.trees, class_weight=_weights(config), random_state=seed)


def _extra_trees(config: ClassifierConfig, seed: int) -> ClassifierMixin:
    """Extremely randomised trees (Geurts, Ernst & Wehenkel 2006): of every point, or of principal components."""
    return ExtraTreesClassifier(config.trees, class_weight=_weights(config), random_state=seed)


def _pca_logistic(config: ClassifierConfig, seed: int) -> ClassifierMixin:
    """Principal components, standardised, then multinomial logistic regression."""
    regression = LogisticRegression(C=config.cost or 1.0, max_iter=2000, class_weight="balanced")
    return make_pipeline(StandardScaler(), regression)


def _pca_lda(config: ClassifierConfig, seed: int) -> ClassifierMixin:
    """Principal components, then a linear discriminant whose covariance is shrunk in closed form (Ledoit & Wolf 2004)."""
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


def _pca_boosting(config: ClassifierConfig, seed: int) -> ClassifierMixin:
    """Principal components, then gradient-boosted trees."""
    return HistGradientBoostingClassifier(
        max_iter=config.trees, min_samples_leaf=5, class_weight=_weights(config), random_state=seed
    )


def _pca_nearest(config: ClassifierConfig, seed: int) -> ClassifierMixin:
    """Principal components, then the class of the nearest record."""
    return KNeighborsClassifier(1)


def _svm(config: ClassifierConfig, seed: int) -> ClassifierMixin:
    """Support vector machine with a Gaussian kernel on whole records, classes weighted equally."""
    return SVC(C=config.cost or 10.0, kernel="precomputed", class_weight="balanced", random_state=seed)


class _PlsDa(ClassifierMixin, BaseEstimator):
    """Partial least squares on class indicators; the class with the largest prediction (Barker & Rayens 2003)."""

    def __init__(self, components: int) -> None:
        self.components = components

    def fit(self, features_NxF: np.ndarray, labels_N: np.ndarray) -> "_PlsDa":
        indicators = LabelBinarizer().fit(labels_N)
        self.classes_ = indicators.classes_
        targets = indicators.transform(labels_N)
        # With two classes the binariser gives one column, the indicator of the second.
        targets_NxK = np.hstack([1 - targets, targets]) if targets.shape[1] == 1 else targets
        self.regression_ = PLSRegression(self.components, scale=False).fit(features_NxF, targets_NxK)
        return self

    def decision_function(self, features_NxF: np.ndarray) -> np.ndarray:
        return self.regression_.predict(features_NxF)

    def predict(self, features_NxF: np.ndarray) -> np.ndarray:
        return self.classes_[np.argmax(self.decision_function(features_NxF), axis=1)]


def _pls_da(config: ClassifierConfig, seed: int) -> ClassifierMixin:
    """Chemometrics' usual: partial least squares discriminant analysis on whole records."""
    return _PlsDa(config.components)


def _given(config: ClassifierConfig, seed: int) -> ClassifierMixin:
    """A copy of the user's classifier."""
    own = clone(config.estimator)
    wanted = {"random_state": seed} | ({"class_weight": "balanced"} if config.class_weights else {})
    known = own.get_params(deep=False)
    return own.set_params(**{name: value for name, value in wanted.items() if name in known and known[name] is None})


def _weights(config: ClassifierConfig) -> str | None:
    return "balanced" if config.class_weights else None


CLASSIFIERS: dict[str, Callable[[ClassifierConfig, int], ClassifierMixin]] = {
    "pca_rf": _pca_rf,
    "pca_extra_trees": _extra_trees,
    "extra_trees": _extra_trees,
    "pca_logistic": _pca_logistic,
    "pca_lda": _pca_lda,
    "svm": _svm,
    "pls_da": _pls_da,
    "pca_boosting": _pca_boosting,
    "pca_nearest": _pca_nearest,
}
# What is tried inside a training part, by classifier, with and without synthetic records alike.
TRIED: dict[str, dict[str, Sequence[float]]] = {
    "svm": {"cost": (1.0, 10.0, 100.0)},
    "pca_logistic": {"cost": (0.01, 0.1, 1.0)},
    "pca_lda": {"components": (10, 22, 60)},
    "pls_da": {"components": (5, 10, 22)},
}


def tried(config: ClassifierConfig) -> list[ClassifierConfig]:
    """The settings of a classifier among which a training part chooses; a cost that was given is kept."""
    settings = TRIED.get(config.name, {})
    if config.cost and "cost" in settings:
        return [config]
    return [dataclasses.replace(config, **{name: v}) for name, values in settings.items() for v in values] or [config]


def setting(config: ClassifierConfig) -> str:
    """What distinguishes this among the settings of its classifier, as text; "" where there is one only."""
    return ", ".join(f"{name} {getattr(config, name):g}" for name in TRIED.get(config.name, {}))


class _Judge(NamedTuple):
    """A fitted classifier: what it does to whole records first, and what it then decides by."""

    features: Callable[[np.ndarray], np.ndarray]
    estimator: ClassifierMixin


def fit_all(configs: Sequence[ClassifierConfig], part: Part, seed: int, n_real: int | None = None) -> list[Learned]:
    """Classifiers of one training set, real or synthetic; those that see the same features share making them.

    Args:
      configs: of the classifiers.
      part: the training set.
      seed: of what is random in them.
      n_real: real records behind it, which cap the components, so that synthetic ones do not buy more; None counts all.
    """
    rows_NxF = part.x_NxRxT.reshape(len(part), -1)
    most = len(part) if n_real is None else min(n_real, len(part))
    made: dict[str | int, tuple[Callable, np.ndarray]] = {}
    judges = []
    for config in configs:
        make = CLASSIFIERS[config.name] if config.estimator is None else _given
        if config.estimator is not None or config.name == "extra_trees":
            features, own = (lambda x_MxF: x_MxF), rows_NxF
        elif config.name.startswith("pca_"):
            components = capped_components(config, most, rows_NxF.shape[1])
            if components not in made:
                pca = PCA(components, random_state=seed)
                made[components] = pca.transform, pca.fit_transform(rows_NxF)
            features, own = made[components]
        elif config.name == "svm":
            if "kernel" not in made:
                kernel = _gaussian_kernel(rows_NxF)
                made["kernel"] = kernel, kernel(rows_NxF)
            features, own = made["kernel"]
        else:
            config = dataclasses.replace(config, components=capped_components(config, most, rows_NxF.shape[1]))
            features, own = (lambda x_MxF: x_MxF), rows_NxF
        judges.append(Learned(_Judge(features, make(config, seed).fit(own, part.labels_N)), part.origin))
    return judges


def fit(config: ClassifierConfig, part: Part, seed: int) -> Learned:
    """One classifier; see ``fit_all``."""
    return fit_all([config], part, seed)[0]


def answer(judge: Learned, test: Part, n_classes: int, *, leaks: bool = False) -> Answers:
    """What a classifier says of records that neither it nor what made its training records has seen.

    Args:
      judge: from ``fit``.
      test: M held-out real records, on the scale of the training records.
      n_classes: K; labels are 0 … K-1.
      leaks: the protocol leaks and says so; nothing is checked.

    Raises:
      LeakError: a record, or another of its group, that the classifier or a generator behind it has learned from.
    """
    if not leaks:
        guard.check_unseen(test, judge)
    features, estimator = judge.value
    own_MxF = features(test.x_NxRxT.reshape(len(test), -1))
    predicted_M = estimator.predict(own_MxF)
    if hasattr(estimator, "predict_proba"):
        scores = estimator.predict_proba(own_MxF)
    elif not hasattr(estimator, "decision_function"):
        scores = np.asarray(predicted_M[:, None] == estimator.classes_, float)
    else:
        scores = estimator.decision_function(own_MxF)
        if scores.ndim == 1:  # two classes: the score of the second
            scores = np.stack([-scores, scores], axis=1)
        elif getattr(estimator, "decision_function_shape", None) == "ovo":  # of pairs, which are no scores of classes
            scores = np.asarray(predicted_M[:, None] == estimator.classes_, float)
    scores_MxK = np.full((len(test), n_classes), np.nan)
    scores_MxK[:, estimator.classes_] = scores
    return Answers(predicted_M, scores_MxK)


def capped_components(config: ClassifierConfig, n_records: int, n_features: int) -> int:
    """Components that the data allow: centred records span at most n - 1 directions."""
    return max(1, min(config.components, n_records - 1, n_features))


def _gaussian_kernel(train_NxF: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """exp(-γ·|a-b|²) against training records, γ as scikit-learn scales it, as one matrix product in place.

    Thousands of whole records take ten times as long where libsvm forms the kernel itself, pair by pair.
    """
    train_NxF = np.asarray(train_NxF, np.float32)
    variance = float(train_NxF.var(dtype=np.float64))
    gamma = 1.0 / (train_NxF.shape[1] * variance) if variance > 0.0 else 1.0
    squares_N = np.einsum("nf,nf->n", train_NxF, train_NxF)

    def kernel(x_MxF: np.ndarray) -> np.ndarray:
        x_MxF = np.asarray(x_MxF, np.float32)
        kernel_MxN = -2.0 * (x_MxF @ train_NxF.T)
        kernel_MxN += np.einsum("mf,mf->m", x_MxF, x_MxF)[:, None]
        kernel_MxN += squares_N
        np.maximum(kernel_MxN, 0.0, out=kernel_MxN)
        kernel_MxN *= -gamma
        return np.exp(kernel_MxN, out=kernel_MxN)

    return kernel
