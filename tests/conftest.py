"""For all tests: the cores are shared as in the program."""

from rtviz import threads

threads.draw_in_one_thread()
threads.sleep_while_waiting()
