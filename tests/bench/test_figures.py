from headrace_load.bench.figures import Figure, Spent, as_groups, compared, figures_of, one_after_the_other


def test_what_records_took_reads_as_a_rate_and_as_cpu_a_record() -> None:
    spent = Spent(records=50_000, seconds=2.0, cpu_s=1.5)
    assert spent.rate == 25_000
    assert spent.cpu_us == 30


def test_fewer_records_take_less_at_the_same_rate_and_cost() -> None:
    spent = Spent(records=100, seconds=2.0, cpu_s=1.0).times(25)
    assert spent == Spent(records=25, seconds=0.5, cpu_s=0.25)


def test_the_raw_floor_of_a_command_is_reading_it_and_writing_its_event_and_its_outcome() -> None:
    read = Spent(records=100, seconds=1.0, cpu_s=0.5)
    written = Spent(records=200, seconds=3.0, cpu_s=1.5)
    assert one_after_the_other(100, read, written) == Spent(records=100, seconds=4.0, cpu_s=2.0)


def test_a_service_four_times_as_slow_and_costly_as_librdkafka_says_so() -> None:
    found = compared("handler", "commands_per_s", Spent(100, 4.0, 2.0), Spent(100, 1.0, 0.5))
    assert found == {
        "handler.commands_per_s": 25,
        "handler.cpu_us": 20_000,
        "handler.rate_to_raw": 0.25,
        "handler.cpu_to_raw": 4,
    }


def test_a_figure_is_the_median_of_the_repeats_between_its_least_and_its_greatest() -> None:
    (figure,) = figures_of([{"handler.cpu_us": value} for value in (31.0, 90.0, 29.0)])
    assert figure.as_json() == {"min": 29.0, "median": 31.0, "max": 90.0, "values": [31.0, 90.0, 29.0]}
    assert (figure.who, figure.what, figure.unit) == ("handler", "cpu_us", "µs CPU")


def test_programs_find_a_figure_by_who_and_what() -> None:
    groups = as_groups([Figure("restore.seconds", (1.5,)), Figure("restore.rss_mb", (160.04,))])
    assert groups["restore"]["seconds"]["median"] == 1.5
    assert groups["restore"]["rss_mb"]["values"] == [160.0]
