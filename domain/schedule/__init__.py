"""When and how fast each vehicle at a site charges or gives back.

The problem in integers, its offline optimum, an online planner, the baselines that one compares them with, and what a
plan comes to. Schedules move no money by themselves: what is billed is what meters sign.
"""
