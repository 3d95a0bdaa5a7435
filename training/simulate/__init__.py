"""An invented organisation and its logs: people with habits, machines, benign oddities, planted campaigns.

It knows nothing of the detector. `writer.Simulation` is the door. All else is made of small parts, each with
random numbers of its own, so that one more behaviour leaves the others as they were.
"""
