"""Scoring: what a model finds, in numbers, on drawn scenes and on the data sets of the papers.

measures.py     a mask, a map or a box against the truth
scenes.py       drawn scenes: heads, layers, simple cues, the same architecture untrained
datasets.py     readers: PASCAL VOC, DAVIS 2017, and drawn stand-ins for both
benchmarks.py   jaccard, davis and corloc: how models do on a data set, by the papers' protocols
report.py       table, bars and JSON of a benchmark, with what the papers reached
"""
