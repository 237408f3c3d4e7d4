"""When things run: jobs, schedules, sensors, and the pure rules that say which days and datasets a tick is about.

What a run does is in ``energy_assets.assets``; which windows are really asked for, the planner decides by the receipts.
"""
