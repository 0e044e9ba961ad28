import dataclasses
import itertools
import logging
import math
import subprocess
import sys
import types

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from s2s_keras import graph_layout, plotting
from s2s_keras.records import Pair, Translation

HISTORY = {"loss": [3.0, 2.0, 1.5], "val_loss": [3.5, 2.5, 2.2], "accuracy": [0.1] * 3}
TRAINING = [
    ("source", []),
    ("target_in", []),
    ("source_mask", ["source"]),
    ("source_embedding", ["source"]),
    ("target_embedding", ["target_in"]),
    ("encoder\n2 layers, 双向", ["source_embedding", "source_mask"]),
    ("attention", ["decoder", "encoder\n2 layers, 双向", "source_mask"]),
    ("decoder", ["encoder\n2 layers, 双向", "target_embedding"]),
    ("together", ["attention", "decoder"]),
    ("only_in_training", ["together"]),
    ("logits", ["only_in_training", "together"]),
]
STEP = [
    ("token", []),
    ("hidden", []),
    ("target_embedding", ["token"]),
    ("decoder", ["target_embedding", "hidden"]),
    ("logits", ["decoder"]),
]


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def drawn(axes):
    """Returns `(style, xs, ys)` of each line."""
    return [
        (line.get_linestyle(), *map(list, (line.get_xdata(), line.get_ydata())))
        for line in axes.get_lines()
    ]


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def boxes(axes):
    patches = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    return {patch.get_label(): patch for patch in patches}


def box_pixels(axes):
    """Returns the box of each node in pixels, corners in order."""
    return {
        name: Bbox.union([patch.get_bbox().transformed(axes.transData)])
        for name, patch in boxes(axes).items()
    }


@pytest.mark.parametrize(
    "wrap", [dict, lambda losses: types.SimpleNamespace(history=losses)]
)
def test_learning_curve_draws_losses_from_epoch_1_and_the_uniform_guess(wrap):
    axes = plotting.learning_curve(wrap(HISTORY), vocabulary_size=5000)
    level = math.log(5000)
    assert drawn(axes) == [
        ("-", [1, 2, 3], HISTORY["loss"]),
        ("--", [1, 2, 3], HISTORY["val_loss"]),
        (":", [0, 1], [level, level]),
    ]
    assert legend(axes) == ["training", "validation", "uniform guess: log(5,000)"]
    axes.figure.canvas.draw()
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_learning_curve_compares_histories_by_color():
    histories = {"GRU": HISTORY, "RNN": types.SimpleNamespace(history={"loss": [4.0]})}
    axes = plotting.learning_curve(histories)
    gru, gru_validation, rnn, rnn_validation = axes.get_lines()
    assert gru.get_color() == gru_validation.get_color() != rnn.get_color()
    assert rnn.get_marker() == "o", "one epoch must be visible"
    assert len(rnn_validation.get_xdata()) == 0
    assert legend(axes) == ["GRU", "RNN", "validation"]


def test_learning_curve_draws_on_given_axes():
    _, axes = plt.subplots()
    assert plotting.learning_curve({"loss": [1.0]}, axes=axes, title="咖哥") is axes
    assert axes.get_title(loc="left") == "咖哥"


def test_learning_curve_refuses_what_is_no_history():
    with pytest.raises(TypeError, match="Received: list"):
        plotting.learning_curve([1.0])
    for history in ({}, {"accuracy": [0.5]}, {"loss": []}, {"GRU": {"mse": [1.0]}}):
        with pytest.raises(ValueError, match="under 'loss'"):
            plotting.learning_curve(history)


def test_length_histogram_counts_every_length():
    axes = plotting.length_histogram({"source": [2, 2, 5], "target": np.array([3, 4])})
    outlines = [stairs for stairs in axes.patches if not stairs.get_fill()]
    source, target = (stairs.get_data() for stairs in outlines)
    np.testing.assert_array_equal(source.edges, [1.5, 2.5, 3.5, 4.5, 5.5])
    np.testing.assert_array_equal(source.values, [2, 0, 0, 1])
    np.testing.assert_array_equal(target.values, [0, 1, 1, 0])
    assert legend(axes) == [
        "source: mean 3.0, longest 5",
        "target: mean 3.5, longest 4",
    ]


@given(st.lists(st.integers(0, 5000), min_size=1))
@settings(max_examples=25, deadline=None)
def test_length_histogram_loses_no_text(lengths):
    axes = plotting.length_histogram({"source": lengths})
    values, edges, _ = axes.patches[-1].get_data()
    assert values.sum() == len(lengths) and len(values) <= 61
    plt.close("all")


@pytest.mark.parametrize(
    "lengths",
    [
        *({}, {"source": []}, {"source": [1.5]}, {"s": [-1]}),
        *({"ids": [[4, 5], [6, 7]]}, {"ids": [[4, 5], [6]]}, {"one": 5}),
    ],
)
def test_length_histogram_refuses_what_is_no_length(lengths):
    with pytest.raises(ValueError, match="lengths"):
        plotting.length_histogram(lengths)
    with pytest.raises(TypeError, match="Received: list"):
        plotting.length_histogram([1, 2])


def test_graphs_share_colors_by_name():
    figure = plotting.graphs({"training": TRAINING, "step": STEP})
    training, step = map(boxes, figure.axes)
    assert list(training) == [name for name, _ in TRAINING]
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["training", "step"]
    shared = ["target_embedding", "decoder", "logits"]
    colors = [training[name].get_edgecolor() for name in shared]
    assert colors == [step[name].get_edgecolor() for name in shared]
    gray = matplotlib.colors.to_rgba(plotting.GRAY)
    assert len({*colors, gray}) == 4
    assert training["attention"].get_edgecolor() == gray
    assert training["source"].get_facecolor() == (1, 1, 1, 1)


def test_every_arrow_runs_down_from_an_input_to_its_node():
    figure = plotting.graphs({"training": TRAINING})
    (axes,) = figure.axes
    placed = {name: box.get_bbox() for name, box in boxes(axes).items()}
    found = set()
    for arrow in axes.patches:
        if isinstance(arrow, FancyArrowPatch):
            path = arrow._path_original.vertices
            assert (np.diff(path[:, 1]) >= 0).all()
            start, end = (
                [
                    name
                    for name, box in placed.items()
                    if box.padded(0.01).contains(*point)
                ]
                for point in path[[0, -1]]
            )
            found.add((*start, *end))
    assert found == {(source, name) for name, some in TRAINING for source in some}


def test_boxes_hold_their_labels_and_touch_nothing_else():
    figure = plotting.graphs({"training": TRAINING, "step": STEP})
    figure.canvas.draw()
    for axes in figure.axes:
        placed = box_pixels(axes)
        for one, other in itertools.combinations(placed.values(), 2):
            assert not one.overlaps(other)
        title, *labels = axes.texts
        assert not any(
            title.get_window_extent().overlaps(box) for box in placed.values()
        )
        for label in labels:
            box, extent = placed[label.get_text()], label.get_window_extent()
            assert box.x0 < extent.x0 and extent.x1 < box.x1
            assert box.y0 < extent.y0 and extent.y1 < box.y1
        for box in placed.values():
            assert axes.bbox.count_contains(box.corners()) == 4
        for arrow in axes.patches:
            if isinstance(arrow, FancyArrowPatch):
                path = axes.transData.transform_path(arrow._path_original)
                *line, _ = path.cleaned(curves=False).vertices
                assert len(line) > 2
                for box in placed.values():
                    assert box.padded(-1).count_contains(line) == 0


def test_graphs_name_what_is_wrong():
    with pytest.raises(ValueError, match="at least one graph"):
        plotting.graphs({})
    with pytest.raises(ValueError, match=r"graphs\['step'\] .* different names"):
        plotting.graphs({"step": [("a", []), ("a", [])]})
    with pytest.raises(ValueError, match=r"'a' with the inputs \['b'\]"):
        plotting.graphs({"step": [("a", ["b"])]})
    with pytest.raises(ValueError, match="cycle"):
        plotting.graphs({"step": [("a", ["b"]), ("b", ["a"])]})


@st.composite
def random_graphs(draw):
    size = draw(st.integers(1, 10))
    return {
        str(node): [str(i) for i in range(node) if draw(st.booleans())]
        for node in range(size)
    }


@given(random_graphs(), st.floats(0.1, 2))
@settings(max_examples=25, deadline=None)
def test_layout_keeps_boxes_apart_and_arrows_downward(inputs, gap):
    widths = {node: 0.5 + int(node) / 4 for node in inputs}
    layout = graph_layout.place(inputs, widths, gap)
    for (one, (x, row)), (other, (x2, row2)) in itertools.combinations(
        layout.centers.items(), 2
    ):
        apart = abs(x - x2) - (widths[one] + widths[other]) / 2
        assert row != row2 or apart >= gap - 1e-9
    assert set(layout.routes) == {(i, node) for node in inputs for i in inputs[node]}
    for (source, node), route in layout.routes.items():
        assert (route[0], route[-1]) == (layout.centers[source], layout.centers[node])
        assert [row for _, row in route] == list(range(route[0][1], route[-1][1] + 1))


def test_layout_draws_a_chain_straight_and_untangles():
    chain = graph_layout.place(
        {"a": [], "b": ["a"], "c": ["b"]}, dict.fromkeys("abc", 1), 1
    )
    assert {x for x, _ in chain.centers.values()} == {0.0}
    crossed = {"a": [], "b": [], "c": ["b"], "d": ["a"]}
    centers = graph_layout.place(crossed, dict.fromkeys("abcd", 1), 1).centers
    assert centers["a"][0] == pytest.approx(centers["d"][0])
    assert centers["b"][0] == pytest.approx(centers["c"][0])


def test_sentence_map_sets_labels_apart():
    points = np.random.default_rng(0).normal(size=(16, 2))
    points[1:4] = points[0] + [[0.02, 0], [0, 0.02], [0.01, 0.01]]
    labels = ["我 爱 学习", "I love it", "▁Un café", "深度学习 改变 世界"] * 4
    axes = plotting.sentence_map(points, labels, groups=["a", "b"] * 8)
    axes.figure.canvas.draw()
    assert [text.get_text() for text in axes.texts] == labels
    np.testing.assert_array_equal([text.xy for text in axes.texts], points)
    extents = [matplotlib.text.Text.get_window_extent(text) for text in axes.texts]
    for one, other in itertools.combinations(extents, 2):
        assert not one.padded(-0.5).overlaps(other)
    for extent in extents:
        assert axes.bbox.count_contains(extent.corners()) == 4
    drawn_points = [dots.get_offsets() for dots in axes.collections]
    np.testing.assert_array_equal(drawn_points, [points[::2], points[1::2]])
    assert legend(axes) == ["a", "b"]


def test_sentence_map_refuses_other_shapes():
    for points, labels in (([[1, 2, 3]], ["a"]), ([[1, 2]], ["a", "b"]), ([], [])):
        with pytest.raises(ValueError, match="points must have the shape"):
            plotting.sentence_map(points, labels)
    with pytest.raises(ValueError, match="1 labels and 2 groups"):
        plotting.sentence_map([[1, 2]], ["a"], groups=["x", "y"])


PAIR = Pair(
    "图书馆 有 书 。", "the library has $books.", ((0, 1), (2, 4), (3, 5)), ((1, 2),)
)
SOURCE_TOKENS = ["图书馆", "有", "书", "。", "<eos>"]
TOKENS = ["the", "library", "has", "$", "books", ".", "<eos>"]


def translation(tokens=TOKENS, source_tokens=SOURCE_TOKENS, text=PAIR.target, seed=0):
    shape = len(tokens), len(source_tokens)
    weights = np.random.default_rng(seed).dirichlet(np.ones(shape[1]), shape[0])
    return Translation(text, list(tokens), -1.0, weights, list(source_tokens))


def heatmaps(figure):
    """Returns the axes of each heatmap; the last axes are the color bar's."""
    figure.draw_without_rendering()
    return figure.axes[:-1]


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def test_attention_heatmap_draws_every_weight_under_its_tokens():
    shown = translation()
    figure = plotting.attention_heatmap(shown, titles="咖哥")
    (axes,) = heatmaps(figure)
    (cells,) = axes.collections
    np.testing.assert_array_equal(cells.get_array(), shown.weights)
    assert cells.get_clim() == (0, 1) == figure.axes[-1].get_ylim()
    assert (labels(axes.xaxis), labels(axes.yaxis)) == (SOURCE_TOKENS, TOKENS)
    assert axes.xaxis.get_ticks_position() == "top" and axes.yaxis_inverted()
    np.testing.assert_array_equal(axes.get_yticks(), np.arange(7) + 0.5)
    assert axes.get_title(loc="left") == "咖哥"
    assert not axes.patches and not figure.legends


def test_attention_heatmap_outlines_gold_links():
    figure = plotting.attention_heatmap([translation()] * 2, pairs=[None, PAIR])
    unknown, known = heatmaps(figure)
    assert not unknown.patches
    outlines = {
        (*np.floor(patch.get_center()).astype(int), patch.get_linestyle() == "-")
        for patch in known.patches
    }
    sure = {(*link, True) for link in PAIR.alignment}
    assert outlines == sure | {(*link, False) for link in PAIR.possible}
    (key,) = figure.legends
    texts = [text.get_text() for text in key.get_texts()]
    assert texts == ["sure link", "possible link"]


def test_gold_links_fit_a_target_with_unknown_words():
    shown = translation(["<unk>", *TOKENS[1:]], text="<unk>" + PAIR.target[3:])
    (axes,) = heatmaps(plotting.attention_heatmap(shown, pairs=PAIR))
    assert len(axes.patches) == 4


LONG = (
    "Nobody expects internationalization of the $5 institution , unfortunately".split()
)


@pytest.mark.parametrize(
    "source_tokens", [["我", "爱", "书", "。"], SOURCE_TOKENS, LONG, ["unbelievably"]]
)
@pytest.mark.parametrize("tokens", [TOKENS, LONG * 2, ["$5", "$6"]])
def test_attention_heatmaps_keep_their_labels_apart(source_tokens, tokens):
    shown = translation(tokens, source_tokens)
    figure = plotting.attention_heatmap([shown] * 5, titles=["title"] * 5)
    panels = heatmaps(figure)
    extents = []
    for axes in panels:
        cell = axes.bbox.height / len(tokens)
        assert axes.bbox.width == pytest.approx(cell * len(source_tokens))
        above, beside = axes.get_xticklabels(), axes.get_yticklabels()
        for one, other in itertools.pairwise(beside):
            one, other = one.get_window_extent(), other.get_window_extent()
            assert not one.overlaps(other)
        (slant,) = {text.get_rotation() for text in above}
        for text in above:
            text.set_rotation(0)
            extent = text.get_window_extent()
            room = (
                cell * math.sqrt(0.5) - extent.height if slant else cell - extent.width
            )
            assert room > 0
            text.set_rotation(slant)
        extents.append(axes.get_tightbbox())
    for one, other in itertools.combinations(extents, 2):
        assert not one.overlaps(other)
    for extent in (*extents, figure.axes[-1].get_tightbbox()):
        assert figure.bbox.count_contains(extent.corners()) == 4
    assert figure.axes[-1].get_tightbbox().x0 > max(extent.x1 for extent in extents)
    assert figure.get_size_inches()[0] < 15


def test_attention_heatmap_names_what_is_wrong():
    draw = plotting.attention_heatmap
    shown = translation()
    with pytest.raises(TypeError, match="translations must be a Translation.*'text'"):
        draw("text")
    with pytest.raises(TypeError, match="pairs must be a Pair"):
        draw(shown, pairs=[("我", "I")])
    with pytest.raises(ValueError, match="at least one"):
        draw([])
    with pytest.raises(ValueError, match=r"translations\[1\]\.weights .* NoneType"):
        draw([shown, dataclasses.replace(shown, weights=None)])
    with pytest.raises(ValueError, match=r"must have shape \(7, 5\).*\(5, 7\)"):
        draw(dataclasses.replace(shown, weights=shown.weights.T))
    with pytest.raises(ValueError, match="1 pairs and 2 translations"):
        draw([shown, shown], pairs=PAIR)
    with pytest.raises(ValueError, match="2 titles and 1 translations"):
        draw(shown, titles=["a", "b"])
    with pytest.raises(ValueError, match=r"pairs\[0\]\.alignment must .*None"):
        draw(shown, pairs=dataclasses.replace(PAIR, alignment=None))
    with pytest.raises(ValueError, match=r"pairs\[0\] must be the pair of its"):
        draw(translation(text="the library has books."), pairs=PAIR)
    with pytest.raises(ValueError, match=r"pairs\[0\] must be the pair of its"):
        draw(translation(["<unk>", *TOKENS[:-1]], text="<unk> other"), pairs=PAIR)
    with pytest.raises(ValueError, match=r"must have weights of shape \(7, 5\)"):
        draw(translation(TOKENS[1:]), pairs=PAIR)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("weight", ["normal", "bold"])
def test_chinese_accents_and_marks_render_together(weight, caplog):
    figure, axes = plt.subplots()
    axes.set_title("咖哥 喜欢 小冰，▁été – naïve “…”！", weight=weight)
    with caplog.at_level(logging.WARNING):
        figure.canvas.draw()
    assert not caplog.records


def test_chinese_characters_are_not_empty_boxes():
    def ink(text):
        figure = plt.figure(figsize=(1, 1))
        figure.text(0.5, 0.5, text, size=30)
        figure.canvas.draw()
        return np.asarray(figure.canvas.buffer_rgba()).tobytes()

    assert len({ink(text) for text in ("爱", "学", "习", "老", "师")}) == 5


def test_without_the_font_package_latin_text_still_works():
    code = (
        "import importlib.util, warnings\n"
        "find_spec = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: (\n"
        "    None if name == 'mplfonts' else find_spec(name, *more))\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    from s2s_keras import plotting\n"
        "messages = [str(w.message) for w in caught]\n"
        "assert any('pip install mplfonts' in text for text in messages), messages\n"
        "plotting.learning_curve({'loss': [1.0]}, title='café').figure.canvas.draw()\n"
    )
    subprocess.run(
        [sys.executable, "-W", "error::UserWarning:matplotlib", "-c", code], check=True
    )


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16"])
def test_length_histogram_counts_small_integers(dtype):
    most = np.iinfo(dtype).max
    axes = plotting.length_histogram({"source": np.array([1, most], dtype)})
    assert sum(patch.get_data().values.sum() for patch in axes.patches) == 2 * 2
    assert all(tick == int(tick) for tick in axes.get_yticks())


@pytest.mark.parametrize("lengths", [[0], [7, 7], range(30), [1] * 1_500])
def test_length_histogram_has_round_ticks(lengths):
    axes = plotting.length_histogram({"source": np.array(lengths)})
    for ticks in (axes.get_xticks(), axes.get_yticks()):
        steps = np.unique(np.diff(ticks))
        assert np.array_equal(ticks, np.round(ticks)) and len(steps) <= 1
        assert all(str(int(step)).strip("0") in ("1", "2", "5") for step in steps)


def test_dollars_in_texts_are_dollars():
    broken = "$\\foo$ or $5"
    axes = plotting.sentence_map([[0, 0], [1, 1]], [broken, "b"])
    figure = plotting.attention_heatmap(translation(), titles=[broken])
    for shown in (axes.figure, figure, plotting.graphs({"a": [(broken, ())]})):
        shown.draw_without_rendering()


def test_titles_of_heatmaps_keep_off_each_other():
    title = "a title much longer than its picture is wide, and longer still"
    figure = plotting.attention_heatmap([translation()] * 3, titles=[title] * 3)
    boxes = [
        text.get_window_extent()
        for axes in heatmaps(figure)
        for text in axes.get_children()
        if isinstance(text, Text) and text.get_text() == title
    ]
    assert len(boxes) == 3
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)


def test_bad_numbers_are_named():
    with pytest.raises(ValueError, match="points must be finite"):
        plotting.sentence_map([[0, 0], [1, math.nan]], ["a", "b"])
    with pytest.raises(ValueError, match="vocabulary_size must be a whole number"):
        plotting.learning_curve({"loss": [1.0]}, vocabulary_size=0)
