"""Every door through which bytes of strangers come in, and what may happen there.

`python -m tests.fuzz NAME -max_total_time=60` searches behind one door with atheris; tests/test_fuzz.py knocks on all.
"""
