def draw(result, folder, kind="svg"):
    return []
