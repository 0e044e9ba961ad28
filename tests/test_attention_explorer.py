"""The HTML is read on any machine; its script runs where there is a Chromium."""

import html
import html.parser
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from s2s_keras import plotting
from s2s_keras.records import Pair, Translation

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)

PAIR = Pair("爱 <b> &", "I love <b> &!", ((0, 1), (1, 3)), ((0, 0),))
SOURCES = ["爱", "<b>", "&", "<eos>"]
TOKENS = ["I", "love", "<", "b", ">", "&", "!", "<eos>"]
WEIGHTS = np.random.default_rng(0).dirichlet(np.full(4, 0.4), 8)
WEIGHTS[2] = [1, 0, 0, 0]
PERCENT = np.rint(100 * WEIGHTS).astype(int)
ONE = Translation(PAIR.target, TOKENS, -1.0, WEIGHTS, SOURCES)
TWO = Translation("你", ["你", "<eos>"], -1.0, np.eye(2, 3), ["you", ".", "<eos>"])


class Page(html.parser.HTMLParser):
    """Lists `(text, class, style)` of words and of table cells; checks the nesting."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.cells = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.open.append((tag, attributes.get("class"), attributes.get("style")))
        assert not {"id", "src", "href"} & set(attributes)

    def handle_data(self, text):
        tag, *look = self.open[-1] if self.open else [""]
        if tag in ("span", "td", "th"):
            found = self.words if tag == "span" else self.cells
            found.append((text, *look))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag


def page(*arguments, **settings):
    return Page(plotting.attention_explorer(*arguments, **settings).html)


def test_without_a_script_a_table_holds_every_weight():
    explorer = plotting.attention_explorer([ONE, TWO])
    found = Page(explorer.html)
    tokens = [*SOURCES, *TOKENS, "you", ".", "<eos>", "你", "<eos>"]
    assert [text for text, *_ in found.words] == tokens
    cells = [text for text, *_ in found.cells]
    expected = list(SOURCES)
    for token, row in zip(TOKENS, PERCENT.tolist(), strict=True):
        expected += [token, *map(str, row)]
    expected += ["you", ".", "<eos>", "你", "100", "0", "0", "<eos>", "0", "100", "0"]
    assert cells == expected
    assert explorer.html.count("<details open>") == 2


def test_without_a_style_sheet_cells_are_shaded_by_weight():
    shades = [style or "" for text, _, style in page(ONE).cells if text.isdigit()]
    for style, percent in zip(shades, PERCENT.ravel(), strict=True):
        alpha = re.findall(r"background-color:#1e8cd2(..);", style)
        assert bool(alpha) == (percent > 0)
        if alpha:
            assert int(alpha[0], 16) / 255 == pytest.approx(0.0065 * percent, abs=0.01)


def test_without_a_style_sheet_gold_links_are_outlined():
    found = page([ONE, ONE], pairs=[PAIR, None])
    kinds = np.array([kind for text, kind, _ in found.cells if text.isdigit()])
    known, unknown = kinds.reshape(2, *WEIGHTS.shape)
    expected = np.full(WEIGHTS.shape, None)
    assert (unknown == expected).all()
    expected[1, 0] = expected[3, 1] = "s2s-sure"
    expected[0, 0] = "s2s-possible"
    assert (known == expected).all()
    lines = {kind: style for _, kind, style in found.cells if kind}
    assert "outline:2px solid" in lines["s2s-sure"]
    assert "outline:2px dashed" in lines["s2s-possible"]


def test_the_page_needs_no_network_and_is_small():
    words = ["unbelievable"] * 20
    weights = np.random.default_rng(0).dirichlet(np.ones(20), 20)
    text = plotting.attention_explorer(Translation("", words, 0.0, weights, words)).html
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert len(text.encode()) < 30_000


def test_equal_translations_give_equal_pages():
    one, other = (plotting.attention_explorer([ONE, TWO]) for _ in range(2))
    assert one._repr_html_() == other._repr_html_() == one.html
    assert repr(one) == repr(other) == "AttentionExplorer(sentences=2)"


def test_explorer_names_what_is_wrong():
    with pytest.raises(TypeError, match="translations must be a Translation"):
        plotting.attention_explorer(WEIGHTS)
    with pytest.raises(ValueError, match="1 pairs and 2 translations"):
        plotting.attention_explorer([ONE, TWO], pairs=PAIR)


# Runs in the browser. `state` says what a reader sees.
PROBE = """
window.onerror = (message) => { results.error = message; };
const results = {};
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const state = (section) => ({
  lines: all(".s2s-line", section).map((line) => all(".s2s-word", line).map((word) => ({
    percent: getComputedStyle(word, "::after").content,
    color: getComputedStyle(word).backgroundColor,
    outline: getComputedStyle(word).outlineStyle,
    chosen: word.getAttribute("aria-pressed"),
  }))),
  status: section.querySelector("[role=status]").textContent,
});
window.onload = () => {
  const [root, second] = all(".s2s-attention");
  const [one, two] = all("section", root);
  const [sources, targets] = all(".s2s-line", one)
    .map((line) => all(".s2s-word", line));
  const buttons = all("nav button", root);
  const open = () => all("section", root).map((section) => section.offsetHeight > 0);
  results.start = state(one);
  results.open = open();
  results.tables = all("details", root).map((details) => details.open);
  targets[3].dispatchEvent(new MouseEvent("mouseenter"));
  results.hover = state(one);
  sources[1].focus();
  results.focus = state(one);
  results.keys = ["Enter", " ", "x"].map((key, index) => {
    targets[index].dispatchEvent(new MouseEvent("mouseenter"));
    const event = new KeyboardEvent("keydown", { key, cancelable: true });
    sources[1].dispatchEvent(event);
    return [state(one), event.defaultPrevented];
  });
  sources[1].blur();
  targets[2].click();
  results.tap = state(one);
  results.tabs = [...sources, ...targets].map((word) => word.tabIndex);
  buttons[1].click();
  results.chosen = open();
  results.pressed = buttons.map((button) => button.getAttribute("aria-pressed"));
  results.labels = buttons.map((button) => button.title);
  results.second = [state(second).status, all("nav", second).length];
  const pre = document.createElement("pre");
  pre.textContent = JSON.stringify(results);
  document.body.replaceChildren(pre);
};
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What a reader sees who points at words of two explorers on one page."""
    if CHROMIUM is None:
        pytest.skip("The explorer's script needs a browser; no Chromium was found.")
    folder = tmp_path_factory.mktemp("page")
    both = plotting.attention_explorer([ONE, TWO], pairs=[PAIR, None])
    path = folder / "page.html"
    path.write_text(
        f"<!doctype html><meta charset=utf-8><script>{PROBE}</script>"
        f"{both.html}{plotting.attention_explorer(ONE).html}",
        encoding="utf-8",
    )
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000"]
    done = subprocess.run(
        [*command, path.as_uri()], capture_output=True, encoding="utf-8", timeout=120
    )
    found = re.search(r"<pre>(.*)</pre>", done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    results = json.loads(html.unescape(found[1]))
    assert "error" not in results
    return results


def assert_lit(state, line, index, percents):
    """One word is chosen; the words of the other line show its weights."""
    chosen = [[word["chosen"] == "true" for word in words] for words in state["lines"]]
    assert np.argwhere(chosen[line]).tolist() == [[index]] and not any(chosen[1 - line])
    shown = [word["percent"].strip('"') for word in state["lines"][1 - line]]
    assert shown == [f"{percent}%" if percent else "" for percent in percents]
    assert not any(word["percent"].strip('"') for word in state["lines"][line])
    for word, percent in zip(state["lines"][1 - line], percents, strict=True):
        alpha = float(re.search(r"([\d.]+)\)$", word["color"])[1])
        assert alpha == pytest.approx(0.0065 * percent, abs=0.01)


def test_pointing_at_a_target_word_lights_up_its_source_words(seen):
    assert_lit(seen["start"], 1, 0, PERCENT[0])
    assert_lit(seen["hover"], 1, 3, PERCENT[3])
    assert_lit(seen["tap"], 1, 2, [100, 0, 0, 0])
    assert seen["tap"]["status"] == "“<” attends most to 爱 100%."


def test_pointing_at_a_source_word_lights_up_the_words_that_attend_to_it(seen):
    assert_lit(seen["focus"], 0, 1, PERCENT[:, 1])
    best = PERCENT[:, 1].argmax()
    promised = f"“<b>” gets most attention from {TOKENS[best]} {PERCENT[best, 1]}%"
    assert seen["focus"]["status"].startswith(promised)
    assert seen["focus"]["status"].endswith("Gold links: b.")


def test_gold_links_of_the_chosen_word_are_outlined(seen):
    def outlines(state, line):
        return [word["outline"] for word in state["lines"][line]]

    assert outlines(seen["start"], 0) == ["dashed", "none", "none", "none"]
    assert seen["start"]["status"].endswith("Gold links: 爱 (possible).")
    assert outlines(seen["hover"], 0) == ["none", "solid", "none", "none"]
    assert outlines(seen["focus"], 1)[:5] == ["none", "none", "none", "solid", "none"]
    assert set(outlines(seen["tap"], 0)) == {"none"}


def test_every_word_can_be_reached_by_keyboard(seen):
    assert seen["tabs"] == [0] * (len(SOURCES) + len(TOKENS))


def test_enter_and_space_choose_a_word_that_the_mouse_left_behind(seen):
    (enter, caught), (space, caught_too), (other, not_caught) = seen["keys"]
    assert (caught, caught_too, not_caught) == (True, True, False)
    assert_lit(enter, 0, 1, PERCENT[:, 1])
    assert_lit(space, 0, 1, PERCENT[:, 1])
    assert_lit(other, 1, 2, PERCENT[2])


def test_buttons_choose_the_sentence_and_tables_fold(seen):
    assert (seen["open"], seen["chosen"]) == ([True, False], [False, True])
    assert seen["pressed"] == ["false", "true"]
    assert seen["labels"] == ["source 爱 <b> & <eos>", "source you . <eos>"]
    assert seen["tables"] == [False, False]


def test_two_explorers_on_a_page_do_not_meet(seen):
    status, buttons = seen["second"]
    assert status.startswith("“I” attends most to") and buttons == 0
