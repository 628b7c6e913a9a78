def write(cases):
    pass
