"""The main experiment: do synthetic records help a classifier on held-out real records?

For every protocol and fold: learn the generator, draw, and ask classifiers of five training sets. A finished fold is a file,
and an unfinished codec a checkpoint, so a run that was killed goes on where it stopped and ends with the same figures.
"""

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gcims_jax import hosts, linalg
from gcims_jax.evaluation import classify, metrics, predictions, results
from gcims_jax.evaluation.answers import Chosen, FoldAnswers, choose
from gcims_jax.evaluation.candidates import Candidate
from gcims_jax.evaluation.scoring import Made, Plan, key_of
from gcims_jax.evaluation.splits import LEAKS
from gcims_jax.generators import double_autoencoder
from gcims_jax.io.netcdf import write_dataset
from gcims_jax.preprocessing import scale
from gcims_jax.reports import augmentation as page

from . import budget, cells, progress, synthetic
from .job import Job

ARM = "original+synthetic"
SCORES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}


def arms(job: Job) -> tuple[Candidate, ...]:
    """What classifiers are trained on; they are always tested on real records ("synthetic" is also known as TSTR)."""
    method = job.setup.method
    codec = (("codec", method.codec),)
    return (
        Candidate("original"),
        Candidate("reconstructed", options=codec, real="reconstructed"),
        method.candidate(ARM),
        method.candidate("reconstructed+synthetic", real="reconstructed"),
        method.candidate("synthetic", real="none"),
    )


def run(job: Job) -> str:
    """Runs all folds, then writes ``synthetic.nc``, ``predictions.nc``, ``results.json``, figures and page."""
    setup = job.setup
    plan = plan_of(job)
    candidates = arms(job)
    folds_by_protocol: dict[str, list[FoldAnswers]] = {}
    start = time.perf_counter()
    cells.train_codecs(job, setup.protocols, plan)
    job.timed("generator", start)
    hosts.leave()
    if not hosts.is_first():
        return "codecs are trained; the first process judges and writes"
    enough = functools.partial(budget.enough, setup, functools.partial(_sides, job))
    # The protocol without leaks says how many repeats are needed; the others do as many.
    for protocol in sorted(setup.protocols, key=LEAKS.__getitem__):
        folds_by_protocol[protocol] = folds = cells.run_together(
            job,
            protocol,
            candidates,
            plan,
            measure=functools.partial(_measure, job),
            tell=lambda index, answers: _accuracies(job, answers),
            enough=enough,
        )
        enough = functools.partial(_as_many, len(folds))
    folds_by_protocol = {protocol: folds_by_protocol[protocol] for protocol in setup.protocols}
    for folds in folds_by_protocol.values():
        _add_seconds(job.seconds, folds)
    start = time.perf_counter()
    job.progress.stage("synthetic records")
    examples, written = _show(job, plan)
    found = predictions.to_dataset(folds_by_protocol, setup.truth, setup.records.names)
    write_dataset(found, job.workdir / "predictions.nc")
    summary = _summarise(job, folds_by_protocol) | {"synthetic": written}
    job.timed("records", start)
    job.finish(summary, functools.partial(page.write, folds_by_protocol=folds_by_protocol, examples=examples))
    return _closing(summary)


def plan_of(job: Job) -> Plan:
    """One dose and one classifier, as configured."""
    method, classes = job.setup.method, len(job.setup.truth.classes)
    return Plan(method.preprocess, method.codec, (method.dose,), (method.classifier,), classes)


def _sides(job: Job, folds: Sequence[FoldAnswers]) -> tuple[Chosen, Chosen]:
    """Answers with synthetic records, and without."""
    with_, without = (choose(folds, _is_arm(arm), job.setup.truth) for arm in (ARM, "original"))
    return with_, without


def _as_many(count: int, folds: Sequence[FoldAnswers]) -> bool:
    return len(folds) >= count


def _measure(job: Job, made: Made) -> dict[str, Any]:
    """What answers do not tell: how well records come back, how draws were made, and what a real classifier makes of them."""
    start = time.perf_counter()
    method, truth = job.setup.method, job.setup.truth
    key = key_of(method.candidate(ARM))
    learned = made.generators[key]
    train_NxRxT, test_NxRxT = made.train.x_NxRxT, made.test.x_NxRxT
    latent = method.codec.latent
    linear = linalg.two_sided_basis(train_NxRxT, latent)
    principal = linalg.principal_basis(train_NxRxT, latent**2)
    rebuilt, rebuilt_test = (double_autoencoder.reconstruct(learned, part).x_NxRxT for part in (made.train, made.test))
    state = learned.value
    judge = classify.fit(method.classifier, made.train, job.setup.seed)
    drawn = made.draws[key]
    answers = classify.answer(judge, drawn, len(truth.classes), leaks=True)  # synthetic records are nobody's test
    agreement = metrics.score(drawn.labels_N, answers.predicted_M, len(truth.classes))
    return {
        "reconstruction": {
            "mse_train": _mse(rebuilt, train_NxRxT),
            "mse_test": _mse(rebuilt_test, test_NxRxT),
            "mse_test_linear": _mse(linalg.reconstruct_two_sided(linear, test_NxRxT), test_NxRxT),
            "mse_test_principal": _mse(linalg.reconstruct_principal(principal, test_NxRxT), test_NxRxT),
            "mse_test_wavelet": _mse(scale.threshold_wavelets(test_NxRxT, latent**2), test_NxRxT),
            "residual_on": float(state.codec.residual_on),
        },
        "codec": state.codec.text,
        "curves": {stage: curves._asdict() for stage, curves in state.codec.curves.items()},
        "sampler": _noted(state.sampler_state),
        "selection": None if state.selection is None else state.selection._asdict(),
        "real_to_synthetic": {name: getattr(agreement, name) for name in ("accuracy", "balanced_accuracy")},
        "components": classify.capped_components(method.classifier, len(made.train), train_NxRxT[0].size),
        "bounded": made.bounded[key],
        "measure_seconds": time.perf_counter() - start,
    }


def _mse(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean((a - b) ** 2))


def _noted(state: Any) -> dict[str, Any]:
    """What a sampler notes about its fit per class: the fields of its state whose names end in _K."""
    return {name: np.asarray(value) for name, value in state._asdict().items() if name.endswith("_K")}


def _accuracies(job: Job, answers: FoldAnswers) -> str:
    labels_M = job.setup.truth.labels_N[answers.fold.test]
    found = {row["candidate"]: np.mean(labels_M == np.asarray(row["predicted_M"])) for row in answers.rows}
    return "accuracy " + ", ".join(f"{arm} {value:.3f}" for arm, value in found.items())


def _add_seconds(seconds: dict[str, float], folds: list[FoldAnswers]) -> None:
    cells_J = [answers.cells[0] for answers in folds]
    seconds["generator"] = seconds.get("generator", 0.0) + sum(
        max(note["seconds"] for note in cell["generators"])
        for cell in cells_J  # shared by all arms
    )
    seconds["classify"] = seconds.get("classify", 0.0) + sum(row["seconds"] for c in cells_J for row in c["rows"])
    seconds["measure"] = seconds.get("measure", 0.0) + sum(c["measure_seconds"] for c in cells_J)


def _summarise(job: Job, folds_by_protocol: Mapping[str, list[FoldAnswers]]) -> dict[str, Any]:
    """``reconstruction``, ``arms``, ``comparison``, ``protocol``; several protocols stand side by side under ``protocols``."""
    parts_of = {name: _protocol(job, name, folds) for name, folds in folds_by_protocol.items()}
    if len(parts_of) == 1:
        return next(iter(parts_of.values()))
    result: dict[str, Any] = {"protocols": parts_of}
    if {"strict", "paper"} <= set(parts_of):
        sides = (choose(folds_by_protocol[name], _is_arm(ARM), job.setup.truth) for name in ("paper", "strict"))
        gap = results.comparison(folds_by_protocol["strict"], *sides, job.setup.truth, names=("paper", "strict"))
        result["leakage"] = {key: gap[key] for key in gap if key.startswith(("delta", "ci95", "p_value"))}
    return result


def _is_arm(name: str) -> Any:
    return lambda row: row["candidate"] == name


def _protocol(job: Job, name: str, folds: list[FoldAnswers]) -> dict[str, Any]:
    truth, leaks = job.setup.truth, LEAKS[name] or bool(job.setup.banner)
    chosen = {row["candidate"]: choose(folds, _is_arm(row["candidate"]), truth) for row in folds[0].rows}
    cells_J = [answers.cells[0] for answers in folds]
    with_, without = chosen[ARM], chosen["original"]
    first = cells_J[0]
    return {
        "protocol": {
            "name": name,
            "leaks": leaks,
            "banner": job.setup.banner,
            "folds": 1 + max(answers.fold.fold for answers in folds),
            "repeats": 1 + max(answers.fold.repeat for answers in folds),
            "records_train": [cell["n_train"] for cell in cells_J],
            "records_test": [cell["n_test"] for cell in cells_J],
            "records_synthetic": [row["n_synthetic"] for row in with_.rows],
            "pca_components": first["components"],
        },
        "reconstruction": {
            key: float(np.mean([cell["reconstruction"][key] for cell in cells_J])) for key in first["reconstruction"]
        },
        "codec": first["codec"],
        "bounded": float(np.mean([cell["bounded"] for cell in cells_J])),
        "arms": {arm: results.scores(folds, one, truth) for arm, one in chosen.items()},
        "comparison": results.comparison(folds, with_, without, truth, names=(ARM, "original"), leaks=leaks),
        "per_record": results.per_record(with_, without, truth),
        "per_class": results.per_class(with_, without, truth),
        "real_to_synthetic": {
            key: float(np.mean([cell["real_to_synthetic"][key] for cell in cells_J]))
            for key in first["real_to_synthetic"]
        },
        "generator": job.setup.method.sampler,
        "notes": [answers.notes[ARM]["text"] for answers in folds],
        "sampler": {
            key: dict(
                zip(truth.classes, np.array([c["sampler"][key] for c in cells_J], float).mean(axis=0), strict=True)
            )
            for key in first["sampler"]
            if key != "classes_K"
        },
        "selection": _selection([cell["selection"] for cell in cells_J]),
    }


def _selection(selections: list[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """What the sampler tried, and the mean held-out log-likelihood over folds."""
    first = selections[0]
    if first is None:
        return None
    curves = np.array([s["log_likelihood_AxGxH"] for s in selections], float).mean(axis=0)
    tried = {"alphas": first["alpha_A"], "ridges": first["ridge_G"], "bandwidths": first["bandwidth_H"]}
    return {**tried, "log_likelihood": curves}


def _closing(summary: Mapping[str, Any]) -> str:
    lines = [summary["banner"]] if summary["banner"] else []
    for name, part in (summary.get("protocols") or {summary["protocol"]["name"]: summary}).items():
        rows = [[arm, *(_percent(scores[score]) for score in SCORES)] for arm, scores in part["arms"].items()]
        leaks = " (leaks: not evidence)" * part["protocol"]["leaks"]
        lines += [progress.table([f"{name}{leaks}, %", *SCORES.values()], rows), f"  {part['comparison']['sentence']}"]
    return "\n".join(lines)


def _percent(score: Mapping[str, float]) -> str:
    return f"{100 * score['mean']:.1f} ± {100 * score['std']:.1f}"


def _show(job: Job, plan: Plan) -> tuple[page.Examples, dict[str, Any]]:
    """Writes the synthetic records of the first fold in the input's unit; one example of each class, and figures.

    The fold's codec comes back from its checkpoint, so these are the very records that its arms were scored with.
    """
    setup = job.setup
    protocol = next((name for name in setup.protocols if not LEAKS[name]), setup.protocols[0])
    candidate = setup.method.candidate(ARM)
    made, key = cells.make_together(job, protocol, 0, [candidate], plan), key_of(candidate)
    records = synthetic.in_units(job, made, made.draws[key], protocol, setup.method.sampler)
    synthetic.write(job, records)
    written = synthetic.describe(job, made, records)
    rebuild = functools.partial(double_autoencoder.reconstruct, made.generators[key])
    examples = synthetic.examples(job, made, records, protocol, rebuild)
    return examples, written
