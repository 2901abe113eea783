"""α, λ and h are chosen by records that were not learned from: whole groups left out, or latents held out."""

import numpy as np
import pytest
from made_latents import fit, latents

from gcims_jax import InputError
from gcims_jax.parts import from_arrays
from gcims_jax.samplers import SAMPLERS, at_edge, choose_held_out, likelihood, mixing, shrinkage
from gcims_jax.samplers.contract import class_statistics

GIVEN = {
    "gaussian": {"ridge": 0.2},
    "pooled": {"ridge": 0.3},
    "rda": {"alpha": 0.4, "ridge": 0.1},
    "kde": {"alpha": 0.7, "ridge": 0.1, "bandwidth": 0.6},
}
# Group of each of the 8 + 5 + 2 + 1 records; one class is of one group where it says so.
GROUPS = {
    "single": None,
    "pairs and triples": [0, 0, 1, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 8, 9],
    "a class of one group": [0, 0, 1, 1, 1, 2, 2, 3, 4, 4, 4, 4, 4, 5, 6, 7],
    "across classes": [0, 0, 1, 2, 3, 3, 3, 4, 0, 1, 1, 5, 6, 0, 7, 8],
}


def grids(name, options):
    given = {"alpha": {"gaussian": 0.0, "pooled": 1.0}.get(name), "bandwidth": 1.0, **options}
    return [np.array([given[key]]) for key in ("alpha", "ridge", "bandwidth")]


def left_out(name, x, labels, groups):
    stats = class_statistics(from_arrays(x, labels, groups))
    everyone = mixing.nearest_classes(stats.centre_KxDxD, None)
    return likelihood.leave_group_out(stats, everyone, *grids(name, GIVEN[name]), around_records=name == "kde")


@pytest.mark.parametrize("groups", sorted(GROUPS))
@pytest.mark.parametrize("name", sorted(GIVEN))
@pytest.mark.parametrize("d", [3, 5])
def test_leave_group_out_is_what_refitting_says(name, groups, d):
    """``borrowed`` is not here: there the neighbourhood of a class is kept while its records are left out."""
    x, labels = latents((8, 5, 2, 1), d=d)
    groups = np.arange(16) if GROUPS[groups] is None else np.array(GROUPS[groups])
    refitted = []
    for n in range(len(x)):
        rest = groups != groups[n]
        if labels[n] in labels[rest]:
            state = fit(name, x[rest], labels[rest], **GIVEN[name])
            refitted.append(SAMPLERS[name].log_density(state, x[n : n + 1], labels[n : n + 1])[0])
    assert left_out(name, x, labels, groups).item() == pytest.approx(np.mean(refitted), rel=2e-5)


def test_nobody_to_leave_out():
    x, labels = latents((4, 3))
    state = fit("rda", x, labels, groups=labels)
    assert np.all(np.isneginf(state.selection.log_likelihood_AxGxH)) and at_edge(state.selection) == ()
    assert float(state.alpha_K[0]) == shrinkage.FALLBACK["alpha"]
    assert float(state.ridge_K[0]) == pytest.approx(shrinkage.FALLBACK["ridge"])


def population(seed, per_class, classes=3, d=6):
    """Records of classes with covariances of a decaying spectrum, the same for every seed."""
    rng = np.random.default_rng(99)
    centres, mixing_KxPxP = rng.normal(size=(classes, d * d)), rng.normal(size=(classes, d * d, d * d))
    mixing_KxPxP = (0.4 * mixing_KxPxP + mixing_KxPxP[0]) / (1.0 + np.arange(d * d))
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class)
    rows = np.einsum("npq,nq->np", mixing_KxPxP[labels], rng.normal(size=(len(labels), d * d)))
    return (centres[labels] + rows + 0.05 * rng.normal(size=rows.shape)).reshape(-1, d, d), labels


@pytest.mark.parametrize("name", ["rda", "kde"])
def test_triplicates_are_chosen_like_single_measurements(name):
    """Leaving out single records of triplicates would choose hardly any regularisation: thousands of nats below."""
    single, labels = population(0, 16)
    noise = 0.01 * np.random.default_rng(5).normal(size=(3, *single.shape))
    triple, labels3 = np.concatenate(single + noise), np.tile(labels, 3)
    groups3 = np.tile(np.arange(len(single)), 3)
    new, new_labels = population(1, 60)

    def held(**options):
        state = fit(name, triple, labels3, groups3, **options)
        return SAMPLERS[name].log_density(state, new, new_labels).mean()

    grouped, alone = fit(name, triple, labels3, groups3), fit(name, single, labels)
    tried = {"alpha": shrinkage.ALPHAS, "ridge": shrinkage.RIDGES, "bandwidth": shrinkage.BANDWIDTHS}
    one, other = shrinkage.chosen(grouped.selection), shrinkage.chosen(alone.selection)
    for option in ("alpha", "ridge") if name == "rda" else ("ridge", "bandwidth"):
        assert abs(tried[option].index(one[option]) - tried[option].index(other[option])) <= 1
    pair = (from_arrays(triple, labels3, groups3), from_arrays(new, new_labels, 1000 + np.arange(len(new))))
    options, selection = choose_held_out(name, [pair])
    best = held(**options)
    assert best == pytest.approx(selection.log_likelihood_AxGxH.max(), rel=1e-4)
    assert held() > best - 5.0
    assert SAMPLERS[name].log_density(fit(name, triple, labels3), new, new_labels).mean() < best - 50.0


PAIRED = {
    "gaussian": {},
    "pooled": {},
    "rda": {"alpha": 0.3},
    "borrowed": {"alpha": "likelihood", "ridge": 0.2, "neighbours": 1},
    "kde": {"ridge": 0.2},
    "kde silverman": {"bandwidth": "silverman", "alpha": 0.5},
}


@pytest.mark.parametrize("case", sorted(PAIRED))
@pytest.mark.parametrize("d", [3, 5])
def test_held_out_choice_is_that_of_refitting(case, d):
    name, options = case.split()[0], PAIRED[case]
    pairs = []
    for seed in (0, 1):
        x, labels = latents((8, 6, 5), d=d)
        new, new_labels = latents((4, 3, 2, 2), d=d, seed=0)  # the last class is unknown
        shift = 0.3 * np.random.default_rng(seed).normal(size=new.shape)
        pairs.append((from_arrays(x + seed, labels), from_arrays(new + shift + seed, new_labels)))
    found, selection = choose_held_out(name, pairs, **options)
    word = ({"alpha", "ridge", "bandwidth"} & set(found)) - {k for k, v in options.items() if v != "likelihood"}
    (word,) = word
    assert {k: v for k, v in found.items() if k != word} == {k: v for k, v in options.items() if k != word}
    curve = selection.log_likelihood_AxGxH.ravel()
    for i in np.unique([0, len(curve) // 2, np.argmax(curve)]):
        values = {**options, word: {"alpha": selection.alpha_A, "ridge": selection.ridge_G}.get(
            word, selection.bandwidth_H)[i]}  # fmt: skip
        densities = [
            SAMPLERS[name].log_density(SAMPLERS[name].fit(learn, **values), held.x_NxRxT[:9], held.labels_N[:9])
            for learn, held in pairs
        ]
        assert curve[i] == pytest.approx(np.mean(densities), rel=1e-4)
        if i == np.argmax(curve):
            assert found[word] == values[word]


def test_nothing_to_choose_held_out():
    x, labels = latents((8, 6))
    pair = (from_arrays(x[::2], labels[::2]), from_arrays(x[1::2], labels[1::2]))
    assert choose_held_out("rda", [pair], alpha=0.1, ridge=0.2) == ({"alpha": 0.1, "ridge": 0.2}, None)
    assert choose_held_out("gaussian", [pair], ridge="oas") == ({"ridge": "oas"}, None)
    assert choose_held_out("smote", [pair], neighbours=2) == ({"neighbours": 2}, None)


def test_held_out_choice_without_a_known_class_is_the_fallback():
    x, labels = latents((8, 6))
    options, selection = choose_held_out("gaussian", [(from_arrays(x, labels), from_arrays(x + 1.0, labels + 5))])
    assert options == {"ridge": shrinkage.FALLBACK["ridge"]} and np.all(np.isneginf(selection.log_likelihood_AxGxH))


def test_held_out_choice_refuses_what_was_learned_from():
    x, labels = latents((8, 6))
    learn = from_arrays(x[::2], labels[::2], np.arange(7))
    with pytest.raises(InputError, match="groups that were not learned from"):
        choose_held_out("rda", [(learn, from_arrays(x[1::2], labels[1::2], np.arange(6, 13)))])
    with pytest.raises(InputError, match="records that were not learned from"):
        choose_held_out("rda", [(learn, learn)])
    with pytest.raises(InputError, match="one or more"):
        choose_held_out("rda", [])
    with pytest.raises(InputError, match="expected some of"):
        choose_held_out("gaussian", [(learn, learn)], alpha=0.3)
    with pytest.raises(InputError, match="ridge"):
        choose_held_out("gaussian", [(learn, learn)], ridge=3.0)


def test_eigendecompositions_are_shared_over_the_grid(monkeypatch):
    x, labels = latents((8, 6, 5))
    eigh, sizes = np.linalg.eigh, []
    monkeypatch.setattr(np.linalg, "eigh", lambda a: sizes.append(a.ndim) or eigh(a))
    choose_held_out("kde", [(from_arrays(x[::2], labels[::2]), from_arrays(x[1::2], labels[1::2]))])
    assert sizes.count(2) == 3  # one for each class, not for each of λ and h


def test_edges_of_what_was_tried():
    def selection(a, g, h):
        surface = np.zeros((11, 16, 12))
        surface[a, g, h] = 1.0
        return shrinkage.Selection(*map(np.array, (shrinkage.ALPHAS, shrinkage.RIDGES, shrinkage.BANDWIDTHS)), surface)

    assert at_edge(selection(5, 0, 11)) == ("ridge", "bandwidth")
    assert at_edge(selection(0, 15, 0)) == ("bandwidth",)  # α = 0 and λ = 1 have nothing beyond
    assert at_edge(selection(3, 4, 5)) == ()
    one = selection(5, 0, 3)
    assert at_edge(one._replace(ridge_G=one.ridge_G[:1], log_likelihood_AxGxH=one.log_likelihood_AxGxH[:, :1])) == ()
