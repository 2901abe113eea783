"""Classifiers that judge whether synthetic records help; all scikit-learn, all fitted on training arrays only."""

import dataclasses
from collections.abc import Callable

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from gcims_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class ClassifierConfig:
    """Which classifier, and its size.

    Attributes:
      name: a key of ``CLASSIFIERS``.
      components: principal components; fewer where the training set has fewer (see ``capped_components``).
      trees: of the random forest.
    """

    name: str = "pca_rf"
    components: int = 22
    trees: int = 100

    def __post_init__(self) -> None:
        if self.name not in CLASSIFIERS:
            raise InputError(f"classifier.name: expected one of {sorted(CLASSIFIERS)}, got {self.name!r}")
        for name in ("components", "trees"):
            if getattr(self, name) < 1:
                raise InputError(f"classifier.{name}: expected 1 or more, got {getattr(self, name)}")


def _pca_rf(config: ClassifierConfig, components: int, seed: int) -> ClassifierMixin:
    """The paper's: principal components, then a random forest."""
    forest = RandomForestClassifier(config.trees, random_state=seed, n_jobs=-1)
    return make_pipeline(PCA(components, random_state=seed), forest)


def _pca_logistic(config: ClassifierConfig, components: int, seed: int) -> ClassifierMixin:
    """Principal components, standardised, then multinomial logistic regression."""
    return make_pipeline(
        PCA(components, random_state=seed), StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced")
    )


def _svm(config: ClassifierConfig, components: int, seed: int) -> ClassifierMixin:
    """Support vector machine with a Gaussian kernel on whole records, classes weighted equally."""
    return SVC(C=10.0, class_weight="balanced", random_state=seed)


CLASSIFIERS: dict[str, Callable[[ClassifierConfig, int, int], ClassifierMixin]] = {
    "pca_rf": _pca_rf,
    "pca_logistic": _pca_logistic,
    "svm": _svm,
}


def capped_components(config: ClassifierConfig, n_records: int, n_features: int) -> int:
    """Components that the data allow: centred records span at most n - 1 directions."""
    return max(1, min(config.components, n_records - 1, n_features))


def fit(config: ClassifierConfig, train_NxRxT: np.ndarray, labels_N: np.ndarray, seed: int) -> ClassifierMixin:
    """Fits a classifier on training records, real or synthetic."""
    features_NxF = train_NxRxT.reshape(len(train_NxRxT), -1)
    components = capped_components(config, *features_NxF.shape)
    return CLASSIFIERS[config.name](config, components, seed).fit(features_NxF, labels_N)


def predict(classifier: ClassifierMixin, x_NxRxT: np.ndarray) -> np.ndarray:
    """Predicted label of each record."""
    return classifier.predict(x_NxRxT.reshape(len(x_NxRxT), -1))
