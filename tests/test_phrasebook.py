"""Tests of the corpus `phrasebook`: its grammar, its splits and its word alignment."""

import collections
import hashlib
import itertools
import random
import re
import statistics

import pytest

from s2s_keras import corpora
from s2s_keras.corpora import Corpus, Pair, phrasebook
from s2s_keras.corpora.phrasebook import rules
from s2s_keras.text import Tokenizer

NAMES = ("phrasebook", "phrasebook/length", "phrasebook/composition")
# The SHA-256 of every text and link, in their order.
HASHES = {
    "phrasebook": "da0992ad601ebe5c",
    "phrasebook/length": "9ebb3f50ac71343b",
    "phrasebook/composition": "6ff70a49b150bc35",
}
GRAMMAR = phrasebook.read_grammar()
WORDS = GRAMMAR.lexicon.words

# Words without a counterpart of their own in the other language.
CLASSIFIERS = {word.columns["classifier"] for word in WORDS["noun"] + WORDS["human"]}
CHINESE_PARTICLES = CLASSIFIERS | set("了 的 吗 很 把 过 得 就 在 最".split())
CHINESE_PARTICLES |= {"所以", "但是", "一起", "，"}
ENGLISH_PARTICLES = set("the a an is are am was were do does did has have".split())
ENGLISH_PARTICLES |= set("will to of that who it them one any there and as".split())
ENGLISH_PARTICLES |= {"more", "most"}


def every_pair(corpus):
    return corpus.train + corpus.valid + corpus.test


def source_words(pairs):
    return {word for pair in pairs for word in pair.source.split()}


def target_tokens(pair):
    return re.findall(r"\w+(?:'\w+)*|[^\w\s]", pair.target)


def target_words(pairs):
    return {token.lower() for pair in pairs for token in target_tokens(pair)}


def lengths(pairs):
    return [len(pair.source.split()) for pair in pairs]


@pytest.fixture(scope="module")
def pairs():
    return every_pair(corpora.load("phrasebook"))


@pytest.fixture(scope="module")
def drawn():
    """The sentences that the corpora are made of, with their derivations, by source."""
    sentences = itertools.islice(phrasebook.sentences(), 30_000)
    return {sentence.pair.source: sentence for sentence in sentences}


# The splits


@pytest.mark.parametrize("name", NAMES)
def test_the_splits_have_their_sizes_and_share_no_text(name):
    corpus = corpora.load(name)
    splits = (corpus.train, corpus.valid, corpus.test)
    assert [len(split) for split in splits] == [20_000, 1_000, 1_000]
    for side in ("source", "target"):
        texts = [getattr(pair, side).replace(" ", "") for pair in every_pair(corpus)]
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("name", NAMES)
def test_every_machine_and_python_draws_the_same_corpus(name):
    content = repr([fields_of(pair) for pair in every_pair(corpora.load(name))])
    assert hashlib.sha256(content.encode()).hexdigest()[:16] == HASHES[name]


def fields_of(pair):
    return pair.source, pair.target, pair.alignment, pair.possible


def test_lengths_and_vocabularies_of_the_random_splits():
    corpus = corpora.load("phrasebook")
    for split in (corpus.train, corpus.valid, corpus.test):
        assert min(lengths(split)) == 4
        assert max(lengths(split)) in range(17, 23)
        assert 8.0 < statistics.mean(lengths(split)) < 8.6
        assert 8.2 < statistics.mean(len(target_tokens(p)) for p in split) < 8.9
    assert len(source_words(corpus.train)) == 345
    assert len(target_words(corpus.train)) == 570
    for words in (source_words, target_words):
        assert words(corpus.valid + corpus.test) <= words(corpus.train)


def test_every_word_can_be_learned():
    counts = collections.Counter(
        word
        for pair in corpora.load("phrasebook").train
        for word in pair.source.split()
    )
    assert min(counts.values()) >= 20


def test_length_splits_are_disjoint_in_length_and_share_words_and_rules(drawn):
    corpus = corpora.load("phrasebook/length")
    assert max(lengths(corpus.train + corpus.valid)) == 9
    assert min(lengths(corpus.test)) == 11
    assert source_words(corpus.test) <= source_words(corpus.train)
    assert target_words(corpus.test) <= target_words(corpus.train)
    learned, tested = (
        set().union(*(drawn[pair.source].rules for pair in split))
        for split in (corpus.train, corpus.test)
    )
    assert tested <= learned


def test_composition_holds_out_pairs_of_words_and_no_word(drawn):
    corpus = corpora.load("phrasebook/composition")
    held_out = phrasebook.held_out_couples()
    known = set().union(
        *(drawn[pair.source].couples for pair in corpus.train + corpus.valid)
    )
    assert not known & held_out
    learned = set().union(*(drawn[pair.source].couples for pair in corpus.train))
    joined = collections.Counter()
    for pair in corpus.test:
        new = drawn[pair.source].couples & held_out
        assert new
        joined.update(new)
        for word in itertools.chain.from_iterable(new):
            assert any(word in couple for couple in learned)
    assert len(joined) > 0.8 * len(held_out)
    kinds = collections.Counter(companion.category for companion, _ in joined)
    assert kinds["verb"] + kinds["state"] > 20 and kinds["adjective"] > 15
    assert source_words(corpus.test) <= source_words(corpus.train)
    assert target_words(corpus.test) <= target_words(corpus.train)


def test_held_out_couples_are_verbs_with_objects_and_adjectives_with_nouns():
    spoken = {
        (companion.chinese, companion.english, noun.english)
        for companion, noun in phrasebook.held_out_couples()
    }
    for companion, noun in phrasebook.held_out_couples():
        assert companion.category in ("verb", "state", "adjective")
        assert noun.category in ("noun", "mass", "field", "human")
    assert len(spoken) == len(phrasebook.held_out_couples())


# The sentences


def test_no_chinese_sentence_has_two_translations():
    source = random.Random(7)
    translations = {}
    for _ in range(40_000):
        pair = GRAMMAR.pair(GRAMMAR.derive(source))
        plain = pair.source.replace(" ", "")
        assert translations.setdefault(plain, pair.target) == pair.target


def test_the_grammar_is_large_enough_and_every_rule_and_word_is_used(drawn):
    every_rule = [
        (category, rule.name)
        for category, alternatives in GRAMMAR.rules.items()
        for rule in alternatives
    ]
    assert len(every_rule) == len(set(every_rule)) >= 30
    used = collections.Counter(
        rule for sentence in drawn.values() for rule in sentence.rules
    )
    assert set(used) == set(every_rule)
    content = {
        word.chinese
        for category, words in WORDS.items()
        if category not in ("pronoun", "name", "number", "side", "modal")
        for word in words
    }
    assert len(content) >= 160
    assert content <= source_words(sentence.pair for sentence in drawn.values())


@pytest.mark.parametrize(
    ("chinese", "english"),
    [
        ("昨天", r"(?i)\byesterday\b"),
        ("^昨天 ", r"^Yesterday "),
        ("天 前", r"(?i)\b(two|three|four|five|six|seven|eight|ten) days ago\b"),
        ("^[^么]* 没有 [买写看] [这那]", r"\bdid not (buy|write|read|watch) "),
        ("没有 \\w+ 过 ", r"\b(have|has) never "),
        ("(?<!没有) [看听唱骑开] 过 ", r"\b([Hh]ave|[Hh]as) "),
        ("已经 ", r"\b(have|has) already "),
        (" 完 了", r"\bfinished \w+ing "),
        ("正在 [看写听唱吃喝做买卖画洗找修用骑开] ", r"\w+ing\b"),
        ("[^不] 会 ", r"(?i)\bwill (?!not)"),
        ("不 会 ", r"\bwill not "),
        ("[三四五六七八十] 本 ", r"(books|novels|magazines|dictionaries)"),
        ("[三四五六七八十] 只 ", r"(cats|dogs|rabbits|birds|mice)"),
        (
            "(昨天|昨晚|今早|上周) [买画写修] 的 ",
            r"\bthat .* (bought|drew|wrote|repaired) (yesterday|last|this)\b",
        ),
        (" [买画写修] 的 [三四五六七八十两] ", r"(?i)\bthe \w+ \w+ that \w+ "),
        ("比 .*[^多] 。", r"\b(\w+er|more \w+) than\b"),
        ("比 .* 得 多", r"\bmuch (\w+er|more \w+) than\b"),
        ("一样 ", r" as \w+ as "),
        ("最 .* 。", r"\b(the most \w+|the \w+est)\."),
        ("[上里下] 有 [^什]* 。", r"^There (is|are) "),
        ("[上里下] 没有 ", r"^There are no "),
        ("(桌子|椅子) 下 ", r"\bunder the (table|chair)\b"),
        ("在 哪里", r"^Where (is|are) "),
        ("吗 ？", r"^(Is|Are|Do|Does|Did|Has|Have|Will) .*\?$"),
        ("什么 ？", r"^What (do|does|did|is|are) .*\?$"),
        ("^谁 ", r"^Who .*\?$"),
        ("是 谁 的", r"^Whose (is|are) .*\?$"),
        ("为什么 ", r"^Why (do|does|did|is|are) .*\?$"),
        (" 几 ", r"^How many \w+ (do|does|did) .*\?$"),
        (" 把 .* 放 在 ", r"\bput .* (on|in) the \w+\.$"),
        (" 把 .* 送给 了 ", r"\bgave .* to \w+"),
        ("^请 把 .* 打开", r"^Please open "),
        ("^我 和 [^一]*$", r"(?i)\b\w+ and I\b"),
        ("^因为 ", r"^Because .*, "),
        ("^如果 ", r"^If it (rains|snows) .*, .* will not "),
        ("^虽然 ", r"^Although .*, "),
        ("的 时候 ，", r"^When .* came home, .* (was|were) \w+ing"),
        (" (觉得|希望|知道) ", r" (think|hope|know)s? that "),
        ("， 但是 \\w+ 不 ", r", but .* not like (it|them)\.$"),
        (" 得 很 [快慢]", r" (fast|slowly)\.$"),
    ],
)
def test_every_phenomenon_is_there_and_translated(pairs, chinese, english):
    found = [pair for pair in pairs if re.search(chinese, pair.source)]
    assert len(found) >= 25
    for pair in found:
        assert re.search(english, pair.target), pair


@pytest.mark.parametrize(
    "wrong",
    [
        r"\ba [aeio]",
        r"\ba u(?!seful)",
        r"\ban (?![aeiou])",
        r"\ban useful",
        r"(?<!and )\bI (is|are|has|does|were)\b",
        r"(?<!does )(?<!Does )\b(he|she|it) (am|are|have|do|were)\b",
        r"\b(you|we|they) (am|is|has|does|was)\b",
        r"^(He|She) (want|like|hate|need|know|love|trust|miss|hope|think|say)\b",
        r"^(I|You|We|They) (wants|likes|hates|needs|knows|loves|trusts|misses|says)\b",
        r"\b(did|does|do|will|should|must|can)( not)? (am|is|are|has|was|had)\b",
        r"\b(did|does|will)( not)? (?!sing\b|need\b|Xiaoming)\w+(ed|ing)\b",
        r"\b(I|he|she|we|they) (me|him|us|them)\b",
        r"(?i)\b(\w+) \1\b(?<!that that)(?<!gave her her)",
        r"  | [.,?]|[.,?]\w",
    ],
)
def test_english_is_grammatical(pairs, wrong):
    for pair in pairs:
        assert not re.search(wrong, pair.target), pair


def test_nouns_stand_in_the_number_that_their_determiner_asks_for(pairs):
    things = WORDS["noun"] + WORDS["human"]
    plurals = {GRAMMAR.lexicon.inflect(word.english, "plural") for word in things}
    singulars = {word.english for word in things}
    described = "|".join(word.english for word in WORDS["adjective"])
    several = " ".join(word.english for word in WORDS["number"])
    patterns = {
        "many": (several + " these those many some").split(),
        "one": ["this", "that", "a", "an"],
    }
    patterns = {
        kind: re.compile(rf"(?i)\b({'|'.join(words)}) (?:(?:{described}) )?(\w+)")
        for kind, words in patterns.items()
    }
    for pair in pairs:
        for _, noun in patterns["many"].findall(pair.target):
            assert noun not in singulars, pair
        for _, noun in patterns["one"].findall(pair.target):
            assert noun not in plurals, pair


def test_plural_subjects_have_plural_verbs(pairs):
    humans = WORDS["human"]
    plurals = "|".join(GRAMMAR.lexicon.inflect(w.english, "plural") for w in humans)
    singulars = "|".join(word.english for word in humans)
    for pair in pairs:
        assert not re.search(rf"^Those ({plurals}) (is|has|does|was)\b", pair.target)
        assert not re.search(rf"^This ({singulars}) (are|have|do|were)\b", pair.target)
        together = re.search(r"^\w+ and (?:\w+ )+?(is|has|does|was)\b", pair.target)
        assert not together or " that " in pair.target, pair


def test_the_classifier_fits_the_noun(pairs):
    classifiers = collections.defaultdict(set)
    for word in itertools.chain(WORDS["noun"], WORDS["human"], WORDS["mass"]):
        classifiers[word.chinese].add(word.columns["classifier"])
    adjectives = "|".join(word.chinese for word in WORDS["adjective"])
    counted = re.compile(
        r"(?:这|那|一|哪|几|两|三|四|五|六|七|八|十) ([^是\W]+) "
        rf"(?:(?:{adjectives}) (?:的 )?)?(\w+)"
    )
    checked = 0
    for pair in pairs:
        for classifier, noun in counted.findall(pair.source):
            if noun in classifiers and classifier != "天":
                assert {classifier} == classifiers[noun], pair
                checked += 1
    assert checked > 8_000


def test_no_word_of_the_lexicon_meets_itself(pairs):
    names = {word.chinese for word in WORDS["name"] + WORDS["noun"] + WORDS["human"]}
    for pair in pairs:
        spoken = [word for word in pair.source.split() if word in names]
        assert len(spoken) == len(set(spoken)), pair
        assert not {"我", "我们"} <= set(pair.source.split()), pair


# Word alignment


def test_links_lie_inside_the_sentences(pairs):
    tokenizer = Tokenizer.train([pair.target for pair in pairs], kind="word")
    for pair in pairs:
        source_length = len(pair.source.split())
        target_length = len(tokenizer.encode(pair.target))
        assert target_length == len(target_tokens(pair))
        for source, target in pair.alignment + pair.possible:
            assert source in range(source_length)
            assert target in range(target_length)
        assert list(pair.alignment) == sorted(set(pair.alignment))
        assert not set(pair.alignment) & set(pair.possible)


def test_only_particles_have_no_sure_link_and_every_word_has_a_link(pairs):
    for pair in pairs:
        chinese, english = pair.source.split(), target_tokens(pair)
        for words, particles, side in (
            (chinese, CHINESE_PARTICLES, 0),
            (english, ENGLISH_PARTICLES, 1),
        ):
            sure = {link[side] for link in pair.alignment}
            linked = sure | {link[side] for link in pair.possible}
            assert linked == set(range(len(words))), pair
            for index in set(range(len(words))) - sure:
                assert words[index].lower() in particles, (pair, words[index])


def test_nouns_and_names_are_linked_to_their_translations(pairs):
    lexicon = {
        word.chinese: word.english
        for word in itertools.chain(WORDS["name"], WORDS["noun"], WORDS["kin"])
    }
    for pair in pairs:
        chinese, english = pair.source.split(), target_tokens(pair)
        for index, word in enumerate(chinese):
            if word in lexicon:
                linked = [english[t] for s, t in pair.alignment if s == index]
                spoken = " ".join(linked).removesuffix("'s")
                forms = {
                    lexicon[word],
                    GRAMMAR.lexicon.inflect(lexicon[word], "plural"),
                }
                assert spoken.lower() in {form.lower() for form in forms}, pair


@pytest.mark.parametrize(
    ("source", "target", "sure", "possible"),
    [
        ("他 正在 画 什么 ？", "What is he drawing?", "0-2 1-1 2-3 3-0 4-4", ""),
        (
            "请 把 箱子 打开 。",
            "Please open the suitcase.",
            "0-0 2-3 3-1 4-4",
            "1-1 2-2",
        ),
        (
            "这 本 书 比 那 本 贵 。",
            "This book is more expensive than that one.",
            "0-0 2-1 3-5 4-6 6-4 7-8",
            "1-1 3-2 4-7 5-7 6-3",
        ),
        (
            "桌子 上 有 一 份 报纸 。",
            "There is a newspaper on the table.",
            "0-6 1-4 2-1 3-2 5-3 6-7",
            "0-5 2-0 4-3",
        ),
        (
            "他 没有 看 过 这 份 便宜 的 报纸 。",
            "He has never read this cheap newspaper.",
            "0-0 1-2 2-3 4-4 6-5 8-6 9-7",
            "3-1 5-6 7-5",
        ),
        (
            "她 昨天 买 的 香蕉 在 哪里 ？",
            "Where is the banana that she bought yesterday?",
            "0-5 1-7 2-6 4-3 5-1 6-0 7-8",
            "3-4 4-2 4-4",
        ),
        (
            "因为 他 很 忙 ， 所以 不 想 跳舞 。",
            "Because he is busy, he does not want to dance.",
            "0-0 1-1 1-5 3-3 4-4 6-7 7-8 8-10 9-11",
            "2-2 5-0 6-6 8-9",
        ),
    ],
)
def test_alignments_are_those_made_by_hand(pairs, source, target, sure, possible):
    def links(text):
        return tuple(tuple(map(int, link.split("-"))) for link in text.split())

    assert Pair(source, target, links(sure), links(possible)) in pairs


def test_a_corpus_made_of_pairs_keeps_their_alignment():
    pair = Pair("\u3000我 笑 ", "I laugh", ((0, 0), (1, 1)), ((1, 0),))
    (kept,) = Corpus.from_pairs([pair]).train
    assert kept == Pair("我 笑", "I laugh", ((0, 0), (1, 1)), ((1, 0),))
    assert Corpus.from_pairs([("我 笑", "I laugh")]).train[0].alignment is None


# Morphology and rules


@pytest.mark.parametrize(
    ("word", "form", "inflected"),
    [
        ("watch", "third", "watches"),
        ("watch", "plural", "watches"),
        ("study", "third", "studies"),
        ("study", "past", "studied"),
        ("play basketball", "third", "plays basketball"),
        ("play basketball", "gerund", "playing basketball"),
        ("wait for", "past", "waited for"),
        ("take care of", "gerund", "taking care of"),
        ("write", "gerund", "writing"),
        ("write", "participle", "written"),
        ("swim", "gerund", "swimming"),
        ("criticize", "past", "criticized"),
        ("story", "plural", "stories"),
        ("knife", "plural", "knives"),
        ("box", "plural", "boxes"),
        ("train station", "plural", "train stations"),
        ("older brother", "owner", "older brother's"),
        ("big", "comparative", "bigger"),
        ("cute", "superlative", "cutest"),
        ("easy", "comparative", "easier"),
        ("friendly", "superlative", "friendliest"),
        ("useful", "comparative", "more useful"),
        ("interesting", "superlative", "most interesting"),
        ("boring", "comparative", "more boring"),
    ],
)
def test_english_is_inflected(word, form, inflected):
    assert GRAMMAR.lexicon.inflect(word, form) == inflected


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("be", "am are is are"),
        ("was", "was were was were"),
        ("have", "have have has have"),
        ("watch", "watch watch watches watch"),
    ],
)
def test_verbs_agree_in_the_present(verb, forms):
    numbers = ("first", "second", "singular", "plural")
    spoken = [GRAMMAR.lexicon.present(verb, number) for number in numbers]
    assert spoken == forms.split()


def test_an_unknown_form_is_named():
    with pytest.raises(ValueError, match="form must be .* received 'dual'"):
        GRAMMAR.lexicon.inflect("cat", "dual")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("{noun}", "{verb}"), "'verb' is not on the Chinese side"),
        (("{noun}", "the~name {noun}"), "calls 'name'"),
        (("{noun/verb}", "{noun}"), "'verb' is no slot that can come first"),
        (("{nuon}", "{nuon}"), "'nuon' must be a category"),
        (("{:}", "x"), "':' is no slot"),
        (("{thing:small}", "{thing}"), "'one' marks no head"),
    ],
)
def test_a_wrong_rule_is_named(lines, message):
    text = "\n".join(["sentence | s | 1 | singular", *lines])
    text += "\nthing | one | 1 | singular\n{noun}\n{noun}"
    with pytest.raises(ValueError, match=message) as error:
        rules.read(text, {"noun"})
    assert "sentence" in str(error.value)
