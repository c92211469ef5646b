import pytest

from profiler.errors import ObservationError
from profiler.fit.calibration import read_loads

HEADER = "llm,device,num_gpus,load_s,load_energy_gpu_j\n"


def test_repeated_loads_are_averaged_and_their_power_is_joules_over_seconds(tmp_path):
    path = tmp_path / "loads.csv"
    path.write_text(HEADER + "a,2xh100,2,10,1000\na,2xh100,2,30,4000\nb,1xh100,1,5,300\n")
    loads = read_loads(path)
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
        read_loads(path)


def test_the_published_loads_idle_at_about_57_watts_a_gpu(shared_data):
    loads = read_loads(shared_data / "wilkins2024" / "loads.csv")
    watts = [one.idle_watts / int(device[0]) for (_, device), one in loads.items()]
    assert all(54 <= one <= 66 for one in watts)
    assert loads["falcon-40b", "3xa100-sxm4-40gb"].repeats == 3
