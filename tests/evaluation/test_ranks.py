"""Ranks over data sets: Demsar's example, his table of q, ties and cliques by hand."""

import numpy as np
import pytest

from keras_fusion import evaluation as ev
from keras_fusion.evaluation.ranks import critical_difference

stats = pytest.importorskip("scipy.stats")

# Demsar (2006), Table 6: the ranks of four classifiers on 14 data sets.
DEMSAR = {
    "C4.5": [4, 1, 4, 4, 4, 1, 3, 2.5, 4, 2.5, 4, 3, 4, 3],
    "C4.5+m": [3, 2, 1, 1, 2, 2.5, 2, 2.5, 3, 2.5, 2.5, 2, 1, 1],
    "C4.5+cf": [2, 3, 2, 3, 3, 4, 4, 4, 2, 2.5, 1, 4, 2, 4],
    "C4.5+m+cf": [1, 4, 3, 2, 1, 2.5, 1, 1, 1, 2.5, 2.5, 1, 3, 2],
}


# Demsar's Table 5(a): q for the levels 0.05 and 0.1.
@pytest.mark.parametrize(
    ("methods", "at_5", "at_10"),
    [
        (2, 1.960, 1.645),
        (3, 2.343, 2.052),
        (4, 2.569, 2.291),
        (5, 2.728, 2.459),
        (10, 3.164, 2.920),
    ],
)
def test_critical_difference(methods, at_5, at_10):
    for level, q in ((0.05, at_5), (0.1, at_10)):
        expected = q * np.sqrt(methods * (methods + 1) / (6 * 14))
        assert critical_difference(methods, 14, level) == pytest.approx(expected, rel=4e-4)


def test_demsars_example():
    found = ev.compare_over_data_sets(DEMSAR, higher_is_better=False)
    expected = {"C4.5+m+cf": 1.964, "C4.5+m": 2.0, "C4.5+cf": 2.893, "C4.5": 3.143}
    assert list(found.ranks) == list(expected)
    assert found.ranks == pytest.approx(expected, abs=5e-4)
    # The paper's chi2 of 9.28 is without the correction for ties: two of two methods, thrice, and
    # one of four.
    ties = 1 - (3 * (2**3 - 2) + (4**3 - 4)) / (14 * (4**3 - 4))
    assert found.friedman.statistic * ties == pytest.approx(9.28, abs=5e-3)
    assert found.friedman.p == pytest.approx(stats.friedmanchisquare(*DEMSAR.values()).pvalue)
    chi2 = found.friedman.statistic
    assert found.iman_davenport.statistic == pytest.approx(13 * chi2 / (14 * 3 - chi2))
    assert found.iman_davenport.p == pytest.approx(stats.f.sf(13 * chi2 / (42 - chi2), 3, 39))
    # Of all pairs the paper finds no difference at 0.05; at 0.1, with CD 1.12, two.
    assert found.critical_difference == pytest.approx(1.25, abs=5e-3)
    assert found.cliques == [tuple(expected)]
    at_10 = ev.compare_over_data_sets(DEMSAR, 0.1, higher_is_better=False)
    assert at_10.critical_difference == pytest.approx(1.12, abs=5e-3)
    assert at_10.cliques == [("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5")]
    turned = {name: -np.array(ranks) for name, ranks in DEMSAR.items()}
    assert ev.compare_over_data_sets(turned).ranks == found.ranks


# CD of three methods is 1.17 over 8 data sets and 0.52 over 40, of four 0.74 over 40.
@pytest.mark.parametrize(
    ("ranks", "data_sets", "cliques"),
    [
        ({"a": 1, "b": 2, "c": 3}, 8, ["ab", "bc"]),
        ({"c": 3, "a": 1, "b": 2}, 8, ["ab", "bc"]),
        ({"a": 1, "b": 2, "c": 3}, 40, []),
        ({"a": 1.6, "b": 2, "c": 2.4}, 8, ["abc"]),
        ({"a": 1, "b": 2.4, "c": 2.6}, 8, ["bc"]),
        ({"a": 1.2, "b": 1.3, "c": 3.5, "d": 4}, 40, ["ab", "cd"]),
    ],
)
def test_cliques(ranks, data_sets, cliques):
    found = ev.RankComparison(ranks, data_sets)
    assert found.cliques == [tuple(clique) for clique in cliques]
    letters = {row[0]: row[2] for row in found.table()[1:]}
    for name in ranks:
        expected = [letter for letter, of in zip("abc", cliques, strict=False) if name in of]
        assert letters[name] == "".join(expected)


def test_without_a_difference_all_are_one_clique():
    """F does not see one, although two mean ranks differ by the critical difference."""
    ranks = {"a": 1, "b": 2, "c": 3}
    assert ev.RankComparison(ranks, 8, iman_davenport=(9.0, 0.049)).cliques[0] == ("a", "b")
    assert ev.RankComparison(ranks, 8, iman_davenport=(1.0, 0.05)).cliques == [("a", "b", "c")]


def test_all_equal_and_all_agree():
    equal = ev.compare_over_data_sets({name: [0.5, 0.7, 0.9] for name in "abc"})
    assert set(equal.ranks.values()) == {2.0} and equal.cliques == [("a", "b", "c")]
    assert np.isnan(equal.friedman).all() and np.isnan(equal.iman_davenport).all()
    agree = {name: np.arange(9) + i for i, name in enumerate("abcdef")}
    found = ev.compare_over_data_sets(agree)
    assert list(found.ranks) == list("fedcba")
    assert found.friedman.statistic == pytest.approx(45)
    assert found.iman_davenport == (np.inf, 0)


@pytest.mark.parametrize(
    ("scores", "match"),
    [
        ({"a": [1, 2], "b": [2, 1]}, "three methods or more; for two there is `wilcoxon_test`"),
        ({"a": [1, 2], "b": [2, 1], "c": [1]}, r"scores\['c'\]: expected 2 or more"),
        ({"a": [1, 2], "b": [2, 1], "c": [1, 2, 3]}, "as many for all methods.*'c': 3"),
        ({"a": [1, 2], "b": [2, 1], "c": [1, np.nan]}, r"scores\['c'\]: expected 2 or more finite"),
    ],
)
def test_errors(scores, match):
    with pytest.raises(ValueError, match=match):
        ev.compare_over_data_sets(scores)
