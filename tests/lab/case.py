"""What the test cases of the lab have in common."""

import difflib
import time
import unittest

from lab import WORK, audio_of, spec


def with_audio(gpus):
    return [function for gpu in gpus for function in (gpu, audio_of(gpu))]


def targets(*gpus):
    """The arguments that narrow a run to the bindings of these GPUs."""
    return [word for gpu in gpus for word in ("--target", f"vfio-bind/{gpu}")]


class LabCase(unittest.TestCase):
    """A test that finds the lab clean, and has to leave it as it found it.

    `clean_state` is the state of the machine before the first test; the runner compares with it after the last test
    of each case. After each test of a case that `restores`, which leave what only a reboot takes away, it makes the
    lab anew.
    """

    lab = None
    clean_state = None
    restores = False

    def run_gpuplan(self, *arguments, status=0, user="root", limit=300):
        """Runs it and insists on its exit status."""
        result = self.lab.gpuplan(*arguments, user=user, limit=limit)
        self.assertEqual(result.status, status, str(result))
        return result

    def write_spec(self, workers, name="spec.yaml", **sections):
        self.lab.write_spec(name, spec(workers, **sections))
        return name

    def refuse(self, spec_name, *words):
        """apply ends with 1 and says these words; that nothing has changed is seen after the test."""
        result = self.run_gpuplan("apply", spec_name, "--yes", status=1)
        for word in words:
            self.assertIn(word, result.output + result.errors, str(result))

    def assert_same(self, before, after):
        if before == after:
            return
        changes = difflib.unified_diff(before, after, "before", "after", n=0, lineterm="")
        self.fail("the machine differs:\n" + "\n".join(list(changes)[:60]))

    def assert_clean(self):
        """Sooner or later: sound devices, for one, come some time after their driver."""
        for _ in range(5):
            state = self.lab.state()
            if state == self.clean_state:
                return
            time.sleep(3)
        self.assert_same(self.clean_state, state)

    def assert_bound(self, *gpus):
        """Both functions of each card are vfio-pci's, by override, and their groups can be opened."""
        for function in self.lab.functions(*with_audio(gpus)):
            self.assertEqual(function[:2] + function[3:], ("vfio-pci", "vfio-pci", "yes"))

    def assert_kept_awake(self, *gpus):
        controls = [f"/sys/bus/pci/devices/{function}/power/control" for function in with_audio(gpus)]
        self.assertEqual(set(self.lab.output("cat " + " ".join(controls)).split()), {"on"})

    def assert_returned(self, *gpus):
        for function, driver in zip(self.lab.functions(*with_audio(gpus)), ["nvidia", "snd_hda_intel"] * len(gpus)):
            self.assertEqual(function[:2] + function[3:], (driver, "(null)", "no"))

    def forget_runs(self):
        """Away with the journal: the next test is another cluster's life."""
        self.lab.output(f"rm -rf /var/lib/gpuplan/clusters {WORK}")


def variant(name):
    """Marks a test as part of a longer variant: "default" or "full"."""
    def mark(test):
        test.variant = name
        return test
    return mark
