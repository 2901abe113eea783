"""What pages and their pictures say: round ticks, ends of grids, flat training, axes of their own, where a page comes from."""

import numpy as np
import pytest

from gcims_jax.preprocessing.grid import Extent
from gcims_jax.preprocessing.inspection import Look
from gcims_jax.preprocessing.scale import Scaling
from gcims_jax.reports import augmentation, inspection, page, record_pictures


@pytest.mark.parametrize(("low", "high"), [(31.4, 3191.0), (-207.3, 4440.0), (0.012, 0.9), (-3.0, -0.2), (1e5, 7e7)])
def test_ticks_of_colours_are_round_and_within_the_range(low, high):
    for knee in (abs(high - low) / 100, np.inf):
        ticks = record_pictures._colour_ticks(Scaling(low, knee, 0.0, 1.0), low, high)
        assert 2 <= len(ticks) <= 6 and low <= ticks[0] and ticks[-1] <= high
        assert all(
            tick == 0.0 or f"{abs(tick):.0e}"[0] in "125" and float(f"{tick:.0e}") == pytest.approx(tick)
            for tick in ticks
        )


def curves(*losses):
    return {"strict": [{"joint": {"steps_E": np.arange(3), "validation_loss_E": loss}} for loss in losses]}


def test_training_is_flat_where_no_fold_lowers_the_loss():
    assert augmentation.is_flat(curves([1.0, 0.995, 1.2], [2.0, 2.1, np.nan]))
    assert not augmentation.is_flat(curves([1.0, 0.995, 1.2], [2.0, 1.9, 2.0]))


@pytest.mark.parametrize(
    ("best", "said"), [(0, "The best λ, 0.1, is the smallest that was tried"), (1, None), (2, None)]
)
def test_a_best_value_at_the_end_of_what_was_tried_is_warned_of(best, said):
    curve_AxGxH = np.zeros((1, 3, 1))
    curve_AxGxH[0, best] = 1.0
    tried = {"alphas": [1.0], "ridges": [0.1, 0.4, 1.0], "bandwidths": [1.0], "log_likelihood": curve_AxGxH}
    found = augmentation.at_edges(tried)
    assert [text[: len(said)] for text in found] == [said] if said else found == []
    wide = augmentation.at_edges({**tried, "ridges": [0.1, 0.4, 0.8]})
    assert len(wide) == (best != 1)


def test_confusion_is_shown_with_its_change():
    arms = {"original": [[5, 1], [2, 4]], "original+synthetic": [[6, 0], [3, 3]]}
    summary = {"strict": {"arms": {name: {"confusion": counts} for name, counts in arms.items()}}}
    without, change = augmentation.plot_confusion(summary, ["a", "b"]).axes
    assert [text.get_text() for text in without.texts] == ["5", "1", "2", "4"]
    assert [text.get_text() for text in change.texts] == ["+1", "-1", "+1", "-1"]


def look(name, high):
    slow = Extent(name, "retention_time", "s", 0.0, 100.0, 10.0, 11, "slow")
    fast = Extent(name, "drift_time", "ms", 0.0, high, high / 10, 11, str(high))
    thumbnail_HxW = np.random.default_rng(0).normal(size=(4, 5))
    return Look(name, "a", None, slow, fast, -1.0, 1.0, 0, np.nan, np.nan, np.nan, name, thumbnail_HxW)


def test_a_record_with_axes_of_its_own_shows_them():
    figure = inspection.contact_sheet([look("one", 15.0), look("two", 15.0), look("three", 30.0)])
    labels = [[text.get_text() for text in ax.get_xticklabels()] for ax in figure.axes[:3]]
    assert labels == [["0", "15"], ["0", "15"], ["0", "30"]]
    assert [ax.get_xticklabels()[1].get_color() for ax in figure.axes[:3]] == ["black", "black", "red"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["0", "100"]


def test_a_page_ends_with_where_it_comes_from(tmp_path):
    page.write_page(tmp_path, page.render_page("A page", ["<p>text</p>"]))
    page.put_foot(tmp_path, {"data": "r.nc", "seed": "<3>"})
    text = (tmp_path / "report.html").read_text()
    assert text.index("<p>text</p>") < text.index("Where this comes from") < text.index("</body>")
    assert "<tr><td>data</td><td>r.nc</td></tr><tr><td>seed</td><td>&lt;3&gt;</td></tr>" in text
