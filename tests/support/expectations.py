"""What a test expects, told one by one as it goes."""

failures = []


def expect(what, is_so, detail=""):
    print("ok:" if is_so else "FAILED:", what)
    if not is_so:
        failures.append(what)
        print("    " + str(detail).replace("\n", "\n    "))
