"""What shapes the heap of a chip leaves all other boards alone; the rest is in tests/chip."""

import fakes
from webpubsub import heap, memory


class Python:
    """A Python heap of that many bytes."""

    def __init__(self, total):
        self.total = total

    def __call__(self):
        return 4000, self.total


def shape(regions, total=56000, **options):
    """What comes of it, and what is said, where no thread can be had."""
    said = []
    thresholds = []
    saved = heap.gc, heap.python_heap, memory.idf_heap_info
    heap.gc = fakes.Module(collect=lambda: None, threshold=thresholds.append)
    heap.python_heap = Python(total)
    memory.idf_heap_info = lambda kind: regions
    heap.print = said.append
    stacks = []
    fakes.install(
        "_thread",
        allocate_lock=lambda: fakes.Module(acquire=lambda: None),
        stack_size=stacks.append,
        start_new_thread=no_thread,
    )
    try:
        kept = heap.shape(**options)
        assert not stacks or stacks[1] == 0, "threads must get the usual stack again"
        return kept, said, thresholds
    finally:
        heap.gc, heap.python_heap, memory.idf_heap_info = saved
        del heap.print
        fakes.uninstall("_thread")


def no_thread(*arguments):
    raise OSError("can't create thread")


CHIP = [(7288, 1500, 0, 0), (95000, 28176, 28160, 0), (113840, 112600, 110592, 0)]


def test_other_ports_and_boards_with_psram_are_left_alone():
    for regions, total in (
        ((), 256000),  # no heap of the IDF
        ([(4194304, 4000000, 3900000, 0)], 56000),  # PSRAM
        (CHIP, 256000),  # a heap that does not grow so
    ):
        assert shape(regions, total) == (None, [], [])
    if memory.idf_heap() is None:  # as here, unless here is the model of the chip
        assert heap.shape() is None


def test_what_cannot_be_done_is_said_and_no_end():
    for options in ({}, {"growth": 0}):
        kept, said, thresholds = shape(CHIP, **options)
        assert kept == (None, None)
        assert len(said) == 1
        assert said[0].startswith("[memory] the heap could not be shaped ("), said
        assert thresholds == [4096]
