"""What a run stands on: devices, settings, processes, engines, the folder of a run."""
