"""What the documentation publishes: which studies stand behind it, and how their figures become tables and words.

A study's figures are a file, ``docs/results/NAME.json``, with the command, commit, versions, device, seconds and data that
made them. A table stands in a page between ``<!-- table: NAME -->`` and ``<!-- end of table -->``. A figure in a sentence is
followed by ``<!-- STUDY: KEY/KEY, percent -->``; ``points`` has a sign, ``number`` is as it is.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from gcims_jax.errors import InputError
from gcims_jax.evaluation import results

from . import command

ROOT = Path(__file__).parents[1]
DIGITS = '--config.data.class_counts="(40,35,30,25,20,15,12,10,8,8)"'
LONGEST = 12  # entries of a list that is kept; longer ones are answers of records and folds
# Sections of the options that only some experiments read; of others they are not published.
SECTIONS = {
    "study": ("augment", "leaderboard", "ratio", "minority", "learning_curve"),
    "codec_study": ("codec_ablation", "cross_dimension", "latent_dimension", "instrument_peaks"),
    "sampler_study": ("sampler_study",),
    "calibration": ("calibrate_verdict",),
    "benchmark": (),
}
TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n)(.*?)(<!-- end of table -->)", re.S)
FIGURE = re.compile(r"([-+]?\d[\d.]*)<!-- ([\w-]+): ([^,>]+), (percent|points|number) -->")

Figures = Mapping[str, Any]


class Study(NamedTuple):
    """One run behind the documentation.

    Attributes:
      recipe: name in ``configs``.
      options: as they are typed.
      data: name of a file of real records; "" is the simulated set.
      pictures: files of the documentation, and the figure of the run that each is.
    """

    recipe: str
    options: tuple[str, ...] = ()
    data: str = ""
    pictures: Mapping[str, str] = {}

    def typed(self) -> str:
        """The command as a reader types it."""
        of_data = f" --config.data.path={self.data}" if self.data else ""
        return " ".join([f"python -m experiments.run --config configs/{self.recipe}.py{of_data}", *self.options])

    def argv(self, path: Path | None) -> list[str]:
        """The options of ``experiments.run``."""
        of_data = [] if path is None else [f"--config.data.path={path}"]
        return ["--config", self.recipe, *of_data, *(option.replace('"', "") for option in self.options)]

    def resolved(self) -> dict[str, Any]:
        """All options with their values; the data as its name."""
        parser = command.Parser("run", "")
        _, config = command.read(parser, self.argv(Path(self.data) if self.data else None), None)
        return read_by(json.loads(json.dumps(config.to_dict())))


STUDIES: dict[str, Study] = {
    "quickstart": Study("quickstart", pictures={name: name for name in ("records.png", "arms.png", "confusion.png")}),
    "augmentation-simulated": Study("augmentation_study"),
    "augmentation-digits": Study("augmentation_study", (DIGITS, "--config.codec.patch=16"), "spoken_digits.nc"),
    "paper": Study("paper"),
    "losses": Study("codec_ablation"),
    "losses-digits": Study(
        "codec_ablation",
        (
            "--config.codec_study.draws=2", "--config.codec_study.train_records=160", "--config.codec.latent=16",
            "--config.codec.patch=16", "--config.train.steps=800",
        ),
        "spoken_digits.nc",
    ),
    "one-or-two-stages": Study("cross_dimension"),
}  # fmt: skip


def read_by(options: dict[str, Any]) -> dict[str, Any]:
    """Options without the sections that their experiment does not read."""
    return {
        name: value
        for name, value in options.items()
        if options["experiment"] in SECTIONS.get(name, (options["experiment"],))
    }


def keep(results: Any) -> Any:
    """What of ``results.json`` is published: all but long lists."""
    if isinstance(results, Mapping):
        return {
            key: keep(value)
            for key, value in results.items()
            if not (isinstance(value, list) and len(value) > LONGEST) and key != "timing"
        }
    return [keep(value) for value in results] if isinstance(results, list) else results


def load(docs: Path) -> dict[str, dict[str, Any]]:
    """Published figures by study."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((docs / "results").glob("*.json"))}


def percent(value: float) -> str:
    """A share in percent."""
    return f"{100 * value:.1f}"


def points(value: float) -> str:
    """A change of a share in points."""
    return f"{100 * value:+.1f}"


def change(comparison: Figures) -> str:
    """The change of accuracy with its interval."""
    return results.points(comparison["delta_accuracy"], comparison["ci95"])


def accuracy(arm: Figures) -> str:
    """Mean and standard deviation over folds."""
    return f"{percent(arm['accuracy']['mean'])} ± {percent(arm['accuracy']['std'])}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def _quickstart(found: Mapping[str, Any]) -> str:
    made = found["quickstart"]
    own = made["figures"]["protocols"]["strict"] if "protocols" in made["figures"] else made["figures"]
    arms = own["arms"]
    return markdown(
        ["protocol", "original", "original + synthetic", "change", "verdict", "seconds"],
        [
            [
                "strict", accuracy(arms["original"]), accuracy(arms["original+synthetic"]), change(own["comparison"]),
                own["comparison"]["verdict"], f"{made['seconds']:.0f}",
            ]
        ],
    )  # fmt: skip


ARMS = ("original", "original+synthetic", "reconstructed+synthetic", "reconstructed", "synthetic")


def _paper_table(found: Mapping[str, Any]) -> str:
    of = {
        f"{name}, {protocol}{' (leaks)' * (protocol == 'paper')}": found[study]["figures"]["protocols"][protocol]
        for name, study in (("digits", "augmentation-digits"), ("simulated", "augmentation-simulated"))
        for protocol in ("strict", "paper")
    }
    rows = [
        [
            arm,
            *(
                f"{accuracy(p['arms'][arm])}, {percent(p['arms'][arm]['balanced_accuracy']['mean'])}"
                for p in of.values()
            ),
        ]
        for arm in ARMS
    ]
    rows.append(["change by synthetic records", *(change(part["comparison"]) for part in of.values())])
    return markdown(["trained on", *of], rows)


def _published_recipe(found: Mapping[str, Any]) -> str:
    of = found["paper"]["figures"]["protocols"]
    rows = [[arm, *(accuracy(of[name]["arms"][arm]) for name in ("strict", "paper"))] for arm in ARMS]
    rows.append(["change by synthetic records", *(change(of[name]["comparison"]) for name in ("strict", "paper"))])
    return markdown(["trained on", "strict", "paper (leaks)"], rows)


def _losses(study: str) -> Callable[[Mapping[str, Any]], str]:
    keys = {"recall": ".3f", "intensity_error": ".3f", "signal_to_noise": ".1f", "ghosts": ".2f", "residual_on": ".0%"}
    names = ("recall", "intensity error", "signal-to-noise", "ghosts", "transformers stayed on")

    def render(found: Mapping[str, Any]) -> str:
        variants = found[study]["figures"]["variants"]
        own = [key for key in keys if any(key in part for part in variants.values())]
        rows = [
            [name, f"{part['to_linear']:.2f}", *(f"{part[key]:{keys[key]}}" if key in part else "–" for key in own)]
            for name, part in variants.items()
        ]
        head = [name for key, name in zip(keys, names, strict=True) if key in own]
        return markdown(["loss", "error to Tucker-2's", *head], rows)

    return render


def _stages(found: Mapping[str, Any]) -> str:
    rows = []
    for name, counts in found["one-or-two-stages"]["figures"]["sets"].items():
        for count, part in counts.items():
            pair, whole, ratio = part["pair"], part["whole"], part["pair_to_whole"]
            rows.append(
                [
                    name, count, *(f"{p['mse']:.6f}" for p in (pair, whole, part["linear"], part["principal"])),
                    *(percent(p["accuracy"]) for p in (pair, whole)), *(f"{p['train_seconds']:.0f}" for p in (pair, whole)),
                    f"{ratio['ratio']:.2f} ({ratio['ci95'][0]:.2f} to {ratio['ci95'][1]:.2f})",
                ]
            )  # fmt: skip
    head = [
        "records", "training records", "pair: error", "whole: error", "Tucker-2", "PCA", "pair: accuracy", "whole: accuracy", "pair: s",
        "whole: s", "pair to whole (95 % interval)",
    ]  # fmt: skip
    return markdown(head, rows)


# Studies whose figures a table holds, and how it is written.
TABLES: dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], str]]] = {
    "quickstart": (("quickstart",), _quickstart),
    "paper-table": (("augmentation-digits", "augmentation-simulated"), _paper_table),
    "published-recipe": (("paper",), _published_recipe),
    "losses": (("losses",), _losses("losses")),
    "losses-digits": (("losses-digits",), _losses("losses-digits")),
    "one-or-two-stages": (("one-or-two-stages",), _stages),
}


def table(name: str, made: Mapping[str, Any]) -> str:
    """A table, and below it the commands that made it.

    Raises:
      InputError: no such table, or a study without figures.
    """
    if name not in TABLES:
        raise InputError(f"table {name}: expected one of {', '.join(TABLES)}")
    studies, render = TABLES[name]
    if missing := [study for study in studies if study not in made]:
        raise InputError(f"table {name}: expected docs/results/{missing[0]}.json, found none; reproduce it first")
    return render(made) + "\n" + "".join(_made_by(study, made[study]) for study in studies)


def _made_by(name: str, made: Figures) -> str:
    changed = changed_options(made["options"], STUDIES[name].resolved())
    since = f", options have changed since: {', '.join(changed)}" if changed else ""
    return f"- `{made['command']}`: {made['seconds']:.0f} s, commit `{made['commit']}`{since}.\n"


def changed_options(then: Figures, now: Figures, prefix: str = "") -> list[str]:
    """Options that have another value than then, or are gone; those that are new do what was done without them."""
    found: list[str] = []
    for key, value in then.items():
        name = f"{prefix}{key}"
        if key not in now:
            found.append(name)
        elif isinstance(value, Mapping) and isinstance(now[key], Mapping):
            found += changed_options(value, now[key], f"{name}.")
        elif value != now[key]:
            found.append(name)
    return found


def figure(made: Mapping[str, Any], study: str, path: str, form: str) -> str:
    """One figure as it stands in a sentence.

    Raises:
      InputError: no such study or key.
    """
    value: Any = made.get(study, {}).get("figures", {})
    for key in path.strip().split("/"):
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, Mapping) and key in value:
            value = value[key]
        else:
            raise InputError(f"{study}: {path}: expected a key of docs/results/{study}.json, found none")
    return {"percent": percent, "points": points, "number": "{:.3g}".format}[form](value)


def fill(text: str, made: Mapping[str, Any]) -> str:
    """A page with its tables and figures written from what was made."""
    text = TABLE.sub(lambda found: found[1] + table(found[2], made) + found[4], text)
    return FIGURE.sub(lambda found: figure(made, *found.groups()[1:]) + found[0][len(found[1]) :], text)


def pages(root: Path) -> list[Path]:
    """README, changelog and documentation."""
    return [*(root / f"{name}.md" for name in ("README", "CHANGELOG")), *sorted((root / "docs").rglob("*.md"))]


def differences(root: Path) -> Iterator[str]:
    """What of the documentation is not what its figures say, a sentence each."""
    made = load(root / "docs")
    for page in pages(root):
        name, text = page.relative_to(root), page.read_text(encoding="utf-8")
        try:
            right = fill(text, made)
        except InputError as error:
            yield f"{name}: {error}"
            continue
        for number, (is_, should) in enumerate(zip_longest(text.split("\n"), right.split("\n")), 1):
            if is_ != should:
                yield f"{name}, line {number}: expected {should!r}, got {is_!r}; python -m experiments.reproduce --fill writes it"
                break
    for name, one in made.items():
        if name not in STUDIES:
            yield f"docs/results/{name}.json: expected one of {', '.join(STUDIES)}"
            continue
        for picture, digest in one["pictures"].items():
            if hash_of(root / "docs" / picture) != digest:
                yield f"docs/{picture}: expected the picture of {name}, got another; python -m experiments.reproduce --only {name}"


def hash_of(path: Path) -> str:
    """SHA-256 of a file, "" where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
