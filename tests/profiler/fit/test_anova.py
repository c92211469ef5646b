import numpy as np
import pytest
import statsmodels.formula.api as formulas
from pandas import DataFrame
from statsmodels.stats.anova import anova_lm

from profiler.__main__ import main
from profiler.fit.anova import (
    PUBLISHED,
    PUBLISHED_DEVICE,
    PUBLISHED_LLMS,
    SOURCES,
    analyse,
    two_way,
)
from profiler.importers.wilkins2024 import import_wilkins2024
from tests.profiler.builders import profiler, row_of, write_rows


def two_factors(repeats):
    rng = np.random.default_rng(5)
    rows, columns = (np.tile(a.ravel(), repeats) for a in np.meshgrid(np.arange(3), np.arange(4)))
    response = 2.0 * rows + columns + rows * columns + rng.standard_normal(len(rows))
    return response, rows, columns


def test_effects_equal_those_of_statsmodels():
    response, rows, columns = two_factors(3)
    ours = two_way(response, rows, columns)
    frame = DataFrame({"y": response, "a": rows, "b": columns})
    theirs = anova_lm(formulas.ols("y ~ C(a)*C(b)", frame).fit(), typ=2)
    for source, name in zip(SOURCES, ("C(a)", "C(b)", "C(a):C(b)"), strict=True):
        expected = theirs.loc[name]
        found = [ours[source].sum_squares, ours[source].df, ours[source].f, ours[source].p]
        np.testing.assert_allclose(found, expected[["sum_sq", "df", "F", "PR(>F)"]], rtol=1e-6)


def test_an_empty_cell_costs_the_interaction_one_degree_of_freedom():
    response, rows, columns = two_factors(3)
    kept = ~((rows == 0) & (columns == 0))
    found = two_way(response[kept], rows[kept], columns[kept])
    assert [found[source].df for source in SOURCES] == [2, 3, 5]


def test_without_repeats_there_is_no_analysis():
    assert two_way(*two_factors(1)) is None


@pytest.fixture(scope="module")
def pooled(shared_data):
    trials = import_wilkins2024(shared_data / "wilkins2024")
    grid = (trials.extra["suite"] == "grid") & (trials.device == PUBLISHED_DEVICE)
    return trials.take(grid & np.isin(trials.llm, PUBLISHED_LLMS))


def test_the_published_table_is_reproduced_with_its_warm_ups(pooled):
    found = analyse(pooled)
    for quantity, effects in PUBLISHED.items():
        for source, published in effects.items():
            effect = found[quantity][source]
            assert effect.df == published.df
            np.testing.assert_allclose(effect.sum_squares, published.sum_squares, rtol=5e-3)
            np.testing.assert_allclose(effect.f, published.f, rtol=2e-3)
            if not np.isnan(published.p):
                np.testing.assert_allclose(effect.p, published.p, rtol=2e-2)


def test_dropping_the_warm_ups_changes_little(pooled):
    found = analyse(pooled.take(~pooled.warmup))["energy"]
    assert found["interaction"].df == 63
    np.testing.assert_allclose(
        found["interaction"].f, PUBLISHED["energy"]["interaction"].f, rtol=0.01
    )


def test_the_help_names_the_llms_and_the_device_of_the_published_table(capsys):
    with pytest.raises(SystemExit):
        main(["anova", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert [name for name in (*PUBLISHED_LLMS, PUBLISHED_DEVICE) if name not in printed] == []


def test_llms_without_trials_are_reported_as_that(tmp_path, capsys):
    path = write_rows(tmp_path / "o.csv", [row_of()])
    assert main(["anova", str(path), "--pool", "absent"]) == 2
    assert "absent on 1xa100-sxm4-40gb: no trials" in capsys.readouterr().err


def test_the_command_prints_published_and_own_tables(shared_data):
    done = profiler("anova", shared_data / "wilkins2024" / "observations.csv")
    assert done.returncode == 0
    assert "published (thesis, Table 5.1)" in done.stdout
    assert "126.62" in done.stdout
    assert "falcon-40b on 3xa100-sxm4-40gb, warm-ups dropped" in done.stdout
    assert "mixtral-8x7b-v0.1 on 3xa100-sxm4-40gb" in done.stderr
