"""The page of records: what is in it, and what a browser without network makes of it."""

import base64
import dataclasses
import json
import re
import shutil
import subprocess
import sys
from urllib.parse import unquote

import numpy as np
import pytest
from conftest import make_records

from experiments.view import main
from gcims_jax import InputError, io
from gcims_jax.records import Axis, Records
from gcims_jax.reports import view

CHROMIUM = shutil.which("chromium")
AWKWARD = '</script><b>&"Käse" %DATA%'
# Works the controls as a reader does, by events, and leaves what it saw as the only text.
DRIVER = """<script>
const settle = () => new Promise(done => setTimeout(done, 200));
const picked = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event("change")); return settle(); };
const picture = k => document.querySelectorAll("#maps .heatmaplayer image")[k].getAttribute("href");
const ranges = () => ["xaxis", "xaxis2", "xaxis3", "yaxis", "yaxis2", "yaxis3"].map(a => $("maps")._fullLayout[a].range)
  .concat(["xaxis2", "xaxis"].map(a => $("lines")._fullLayout[a].range));
const mouse = (target, type, x, y, more) => target.dispatchEvent(
  new MouseEvent(type, {bubbles: true, cancelable: true, view: window, clientX: x, clientY: y, ...more}));
async function drive() {
  const seen = {errors: []};
  window.addEventListener("error", e => seen.errors.push(e.message));
  document.addEventListener("securitypolicyviolation", e => seen.errors.push(e.blockedURI));
  while (!document.body.dataset.ready) await settle();
  seen.classes = [...$("class").options].map(o => o.text);
  seen.records = [...$("real").options].map(o => o.text);
  seen.unit = $("maps")._fullLayout._infolayer.select(".colorbar .cbtitle text").text();
  seen.before = [picture(0), $("maps").data[0].customdata[2][3], $("maps").layout.annotations[0].text];
  await picked("real", "1");
  seen.after = [picture(0), $("maps").data[0].customdata[2][3], $("maps").layout.annotations[0].text];
  await picked("scale", "log");
  seen.log = picture(0);
  seen.outside = [$("maps").data[2].z, $("note").textContent];
  await picked("slow", "1.5"); await picked("fast", "0.4");
  seen.chromatogram = $("lines").data[0].y; seen.spectrum = $("lines").data[1].y; seen.titles = $("lines").layout.annotations.map(a => a.text);
  seen.whole = ranges();
  const drag = document.querySelectorAll("#maps .nsewdrag")[1];
  const box = drag.getBoundingClientRect(), at = (u, v) => [box.left + u * box.width, box.top + v * box.height];
  mouse(drag, "mousedown", ...at(.25, .25), {buttons: 1});
  mouse(document, "mousemove", ...at(.5, .5), {buttons: 1}); mouse(document, "mousemove", ...at(.75, .75), {buttons: 1});
  mouse(document, "mouseup", ...at(.75, .75));
  await settle(); await settle();
  seen.zoomed = ranges();
  await picked("class", "1");
  seen.kept = ranges();
  seen.missing = $("maps").layout.annotations[1].text;
  seen.loaded = performance.getEntriesByType("resource").map(e => e.name).filter(n => !/^(data|blob):/.test(n));
  return seen;
}
drive().catch(e => ({failed: String(e)})).then(seen => {
  document.head.textContent = ""; document.body.textContent = "SEEN" + btoa(encodeURIComponent(JSON.stringify(seen))) + "NEES";
});
</script></body>"""


@pytest.fixture
def pair():
    """Real records of two classes, and synthetic ones of the first on a cutout, one of which leaves the measured range."""
    real = dataclasses.replace(make_records((5, 3), groups=[AWKWARD, *"bcdefgh"]), attrs={"units": "counts"})
    made = make_records((4,), seed=1)
    made.values[0, 5, 6] = 1e4
    made.values[0, 6, 7] = -1e4
    slow, fast = made.slow._replace(values=made.slow.values[1:]), made.fast._replace(values=made.fast.values[:-2])
    made = dataclasses.replace(made, values=made.values[:, 1:, :-2], slow=slow, fast=fast)
    names = np.array([AWKWARD, *(f"r{i}" for i in range(7))])
    return dataclasses.replace(real, names=names), made


def content(path):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.S)[1])


def values(record, shape):
    codes = np.frombuffer(base64.b64decode(record["codes"]), "<u2")
    return (record["low"] + record["step"] * codes).reshape(shape)


def test_embedded_values_are_those_of_the_records(tmp_path, pair):
    real, made = pair
    view.write(tmp_path / "p.html", real, made, sources=("real.nc", "made.nc"))
    assert "Real records have 9 × 14 points; shown is the cutout" in (tmp_path / "p.html").read_text()
    found = content(tmp_path / "p.html")
    assert found["classes"] == ["class_0", "class_1"] and found["value"] == "intensity [counts]"
    assert [r["name"] for r in found["real"][0]] == [*real.names[:5], "mean of all 5 records"]
    assert [r["group"] for r in found["real"][1]] == ["f", "g", "h", ""]
    cut_NxRxT = real.values[:, 1:, :-2]
    np.testing.assert_allclose(values(found["real"][0][3], (8, 12)), cut_NxRxT[3], atol=1e-3)
    np.testing.assert_allclose(values(found["real"][0][5], (8, 12)), cut_NxRxT[:5].mean(axis=0), atol=1e-3)
    assert (found["low"], found["high"]) == pytest.approx((cut_NxRxT.min(), cut_NxRxT.max()))
    assert found["synthetic"][1] == []
    np.testing.assert_allclose(found["slow"]["centres"], made.slow.values)
    np.testing.assert_allclose(found["fast"]["edges"], np.arange(13) * 0.1 - 0.05)


def test_values_outside_the_measured_range_are_marked(tmp_path, pair):
    view.write(tmp_path / "p.html", *pair)
    far, *others = content(tmp_path / "p.html")["synthetic"][0]
    for side, where in (("above", 4 * 12 + 6), ("below", 5 * 12 + 7)):
        bits = np.unpackbits(np.frombuffer(base64.b64decode(far["outside"][side]["bits"]), np.uint8))
        assert bits[where] and far["outside"][side]["share"] >= 1 / 96
    assert all(values(one, (8, 12)).max() < 50 for one in others[:3])


def test_fewer_points_and_records_are_said_and_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(view, "POINTS", 8)
    monkeypatch.setattr(view, "ROOM", 1000)
    real = make_records((12, 8))
    plan = view.write(tmp_path / "p.html", real)
    text, found = (tmp_path / "p.html").read_text(), content(tmp_path / "p.html")
    shape = len(plan.slow_R), len(plan.fast_T)
    assert shape == (3, 4) and [len(records) for records in found["real"]] == [7, 7]
    np.testing.assert_allclose(values(found["real"][1][0], shape)[0, 3], real.values[12, :3, 12:].mean(), atol=1e-3)
    assert "mean of 3 × 4 measured points (retention time × drift time)" in text
    assert "At most 6 records of a class" in text and "8 records left out" in text
    assert found["synthetic"] is None

    monkeypatch.setattr(view, "ROOM", 60)
    assert view.write(tmp_path / "p.html", real).per_class == 1


def test_many_records_stay_below_20_mb(tmp_path):
    rng = np.random.default_rng(0)
    axes = Axis("retention_time", "s", np.arange(300.0)), Axis("drift_time", "ms", np.arange(310.0))
    real = Records(rng.normal(size=(120, 300, 310)), *axes, labels=[f"c{i % 40}" for i in range(120)])
    view.write(tmp_path / "p.html", real, real)
    assert 10e6 < (tmp_path / "p.html").stat().st_size < 20e6


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (2, 3)])
def test_series_and_single_points_have_a_page(tmp_path, shape):
    records = Records.from_arrays(np.arange(2.0 * np.prod(shape)).reshape(2, *shape), [1, 2])
    view.write(tmp_path / "p.html", records)
    found = content(tmp_path / "p.html")
    assert found["classes"] == ["1", "2"] and found["value"] == "value [no unit in the file]"
    np.testing.assert_allclose(values(found["real"][1][0], shape), records.values[1], atol=1e-3)


def change(records, **what):
    return dataclasses.replace(records, **what)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda r: change(r, labels=np.repeat("class_9", len(r))), r"classes of the real ones, class_0, class_1, got 'class_9'; did"),
        (lambda r: change(r, fast=r.fast._replace(values=r.fast.values + 0.05)), r"the grid of the real ones .* drift time \[ms\]: 14 points"),
        (lambda r: change(r, fast=r.fast._replace(unit="us")), r"drift time \[us\].*; give the file"),
        (lambda r: change(r, attrs={"units": "V"}), "the unit of the real ones, counts, got V"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(tmp_path, pair, damage, said):
    with pytest.raises(InputError, match=said):
        view.write(tmp_path / "p.html", pair[0], damage(pair[1]))
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_page_and_refuses_in_one_sentence(tmp_path, pair, capsys, monkeypatch):
    io.write(pair[0], tmp_path / "real.nc")
    io.write(pair[1], tmp_path / "made.nc")
    page = tmp_path / "new" / "p.html"
    assert main([str(tmp_path / "real.nc"), str(tmp_path / "made.nc"), "--out", str(page)]) == 0
    assert "8 records of 9 × 14 points" in capsys.readouterr().out and content(page)["synthetic"]
    assert main([str(tmp_path / "real.nc"), "--out", str(page)]) == 0
    assert content(page)["synthetic"] is None
    capsys.readouterr()
    for argv, said in (
        ([tmp_path / "no.nc"], "expected a file with records, found nothing; check the path"),
        ([tmp_path], "found a folder; gcims-jax ingest"),
        ([tmp_path / "real.nc", "--out", tmp_path / "p.png"], "--out: expected a file name ending in .html"),
    ):
        assert main(list(map(str, argv))) == 1
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    assert main([str(tmp_path / "real.nc"), "--out", str(page)]) == 1
    assert 'pip install "gcims-jax[view]"' in capsys.readouterr().err


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_browser_without_network_shows_chooses_and_zooms(tmp_path, pair):
    real, made = pair
    view.write(tmp_path / "p.html", real, made, sources=(AWKWARD, "made.nc"))
    page = (tmp_path / "p.html").read_text()
    assert page.count("</body>") == 1
    (tmp_path / "driven.html").write_text(page.replace("</body>", DRIVER))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000", "--virtual-time-budget=60000"]
    options += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [CHROMIUM, *options, f"file://{tmp_path / 'driven.html'}"], capture_output=True, text=True, timeout=240
    )
    (text,) = re.findall("SEEN(.*?)NEES", done.stdout, re.S)
    seen = json.loads(unquote(base64.b64decode(text).decode()))
    assert "failed" not in seen, seen
    assert seen["errors"] == [] and seen["loaded"] == []
    assert seen["classes"] == ["class_0", "class_1"] and seen["unit"] == "intensity [counts]"
    assert seen["records"][0] == f"{AWKWARD} (group {AWKWARD})" and seen["records"][2] == "r1 (group c)"

    cut_NxRxT = real.values[:, 1:, :-2]
    for shown, i in ((seen["before"], 0), (seen["after"], 1)):
        assert shown[1] == pytest.approx(cut_NxRxT[i, 2, 3], abs=1e-3)
    assert seen["before"][0] != seen["after"][0] != seen["log"] and "r0" in seen["after"][2]
    assert seen["outside"][0][4][6] == 1 and seen["outside"][0][5][7] == 0
    assert "of its values above the measured range" in seen["outside"][1]
    np.testing.assert_allclose(seen["chromatogram"], cut_NxRxT[1, :, 4], atol=1e-3)
    np.testing.assert_allclose(seen["spectrum"], cut_NxRxT[1, 2], atol=1e-3)
    assert seen["titles"] == ["<b>chromatogram at drift time 0.4 ms</b>", "<b>spectrum at retention time 1.5 s</b>"]

    whole_x, whole_y = seen["whole"][0], seen["whole"][3]
    np.testing.assert_allclose((*whole_x, *whole_y), (-0.05, 1.15, 0.25, 4.25), atol=1e-6)
    x, y = seen["zoomed"][0], seen["zoomed"][3]
    assert np.ptp(x) == pytest.approx(0.5 * np.ptp(whole_x), rel=0.1) and np.ptp(y) == pytest.approx(
        0.5 * np.ptp(whole_y), rel=0.1
    )
    assert seen["zoomed"] == [x] * 3 + [y] * 3 + [x, y] == seen["kept"]
    assert seen["missing"] == "<b>no synthetic record of this class</b>"
