import pytest

from profiler.errors import ObservationError
from profiler.fit.loads import MeasuredLoad, load_figures, read_loads, unused_loads
from profiler.plausibility import misread_trials
from tests.profiler.builders import drawing

HEADER = "llm,device,num_gpus,load_s,load_energy_gpu_j\n"
METERED = HEADER.replace("\n", ",idle_watts\n")


def test_repeated_loads_are_averaged_and_their_power_is_joules_over_seconds(tmp_path):
    path = tmp_path / "loads.csv"
    path.write_text(HEADER + "a,2xh100,2,10,1000\na,2xh100,2,30,4000\nb,1xh100,1,5,300\n")
    loads = load_figures(read_loads([path]))
    both = loads["a", "2xh100"]
    assert (both.load_s, both.load_energy_j, both.idle_watts, both.repeats) == (20, 2500, 125, 2)
    assert loads["b", "1xh100"].idle_watts == 60


@pytest.mark.parametrize(
    "row", ["a,2xh100,2,nan,1", "a,2xh100,2,1,-1", "A B,2xh100,2,1,1", "a,x,2,1,1", "a,2xh100,2,,1"]
)
def test_a_bad_load_is_named_with_its_row(tmp_path, row):
    path = tmp_path / "loads.csv"
    path.write_text(HEADER + row + "\n")
    with pytest.raises(ObservationError, match="row 2, column"):
        read_loads([path])


def test_a_load_of_other_accelerators_than_its_device_counts_is_refused(tmp_path):
    path = tmp_path / "loads.csv"
    path.write_text(HEADER + "a,2xh100,1,10,1000\n")
    with pytest.raises(ObservationError, match="row 2: Expected num_gpus 2 as the device says"):
        read_loads([path])


def test_loads_of_several_files_are_averaged_together(tmp_path):
    first, second = tmp_path / "one.loads.csv", tmp_path / "two.loads.csv"
    first.write_text(HEADER + "a,1xh100,1,10,1000\n")
    second.write_text(METERED + "a,1xh100,1,30,5000,70\n")
    (both,) = load_figures(read_loads([first, second])).values()
    assert (both.load_s, both.load_energy_j, both.idle_watts, both.repeats) == (20, 3000, 70, 2)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,1xl4,1,38.2,1650000,", r"at most 97.2 W.*got 43.2 kW.*millijoules \(43.2 W\)"),
        ("a,1xl4,1,38200,1650,", r"got 43.2 mW.*kilojoules \(43.2 W\)"),
        ("a,1xl4,1,38.2,1650,4300", "column idle_watts: .*got 4.3 kW"),
        ("a,1xl4,1,,,0.043", "column idle_watts: .*got 43 mW"),
    ],
)
def test_a_load_that_its_device_cannot_have_drawn_is_refused_in_the_words_of_trials(
    tmp_path, row, said
):
    path = tmp_path / "loads.csv"
    path.write_text(METERED + row + "\n")
    with pytest.raises(ObservationError, match=f"row 2.*{said}") as refused:
        read_loads([path])
    (trial,) = misread_trials(drawing(43_200.0))
    words = " of 1xl4 (72 W by NVIDIA L4 datasheet), got "
    assert words in trial.problem
    assert words in str(refused.value)


def test_a_load_of_a_wider_scope_may_be_more(tmp_path):
    path = tmp_path / "loads.csv"
    path.write_text(HEADER + "a,1xl4,1,10,9000\n")
    assert len(read_loads([path], {("a", "1xl4"): "wall"})) == 1
    with pytest.raises(ObservationError, match="got 900 W"):
        read_loads([path])


def test_loads_of_what_was_not_observed_are_reported_with_their_number():
    loads = {
        ("a", "1xl4"): [MeasuredLoad(9.0, 300.0, None)] * 2,
        ("b", "1xl4"): [MeasuredLoad(9.0, 300.0, None)],
    }
    (said,) = unused_loads(loads, [("b", "1xl4")])
    assert said.startswith("left out: 2 loads of a on 1xl4")


def test_a_file_of_no_load_is_refused(tmp_path):
    path = tmp_path / "loads.csv"
    path.write_text(HEADER)
    with pytest.raises(ObservationError, match="at least one load"):
        read_loads([path])


def test_the_published_loads_idle_at_about_57_watts_a_gpu(shared_data):
    loads = load_figures(read_loads([shared_data / "wilkins2024" / "loads.csv"]))
    watts = [one.idle_watts / int(device[0]) for (_, device), one in loads.items()]
    assert all(54 <= one <= 66 for one in watts)
    assert loads["falcon-40b", "3xa100-sxm4-40gb"].repeats == 3
