"""Measuring: schedules, load generators, histograms, samplers, records, statistics and charts.

Nothing here knows Robot Framework or a system under test: functions in, numbers and files out.
"""
