"""Meter values: sampled, aligned with the clock, at the end of a transaction; in OCPP's words."""

import os
import sys

from checks import equal
from whole_rig import Meter, Rig

REGISTER = "Energy.Active.Import.Register"
_ALL = (
    "Current.Export",
    "Current.Import",
    "Current.Offered",
    "Energy.Active.Export.Interval",
    "Energy.Active.Export.Register",
    "Energy.Active.Import.Interval",
    "Frequency",
    "Energy.Reactive.Export.Interval",
    "Energy.Reactive.Export.Register",
    "Energy.Reactive.Import.Interval",
    "Energy.Reactive.Import.Register",
    "Power.Active.Export",
    "Power.Active.Import",
    "Power.Factor",
    "Power.Offered",
    "Power.Reactive.Export",
    "Power.Reactive.Import",
    "RPM",
    "SoC",
    "Temperature",
    "Voltage",
    "Voltage.L1-N",
    "Voltage.N",
)
_FOLDER = (sys.argv[2] if len(sys.argv) > 2 else "/tmp") + "/values"
_made = []


def new(count=2, boot=True, **keys):
    _made.append(None)
    folder = _FOLDER + str(len(_made))
    os.mkdir(folder)
    rig = Rig(folder, count, keys=keys)
    rig.folder = folder
    if boot:
        rig.boot()
    return rig


def values(rig, **options):
    """The MeterValues that are due: (connector, transaction, time, [(context, value)]) each."""
    found = []
    for action, payload in rig.settle(**options):
        if action == "MeterValues":
            one = payload["meterValue"][0]
            found.append(
                (
                    payload["connectorId"],
                    payload.get("transactionId"),
                    one["timestamp"][11:19],
                    [(value["context"], value["value"]) for value in one["sampledValue"]],
                )
            )
    return found


def test_values_of_a_transaction_each_interval():
    rig = new(MeterValueSampleInterval="10")
    rig.charge(2)
    rig.after(9)
    equal(values(rig), [])
    rig.box.registers[2] = 1234
    rig.after(1)
    equal(values(rig), [(2, 7, "08:00:10", [("Sample.Periodic", "1234")])])
    rig.after(20)
    equal([value[2] for value in values(rig)], ["08:00:20", "08:00:30"])
    # A change counts at once, also while one is due.
    rig.ask("ChangeConfiguration", key="MeterValueSampleInterval", value="3")
    rig.after(3)
    equal([value[2] for value in values(rig)], ["08:00:33"])
    rig.core.tag(2, "T1")
    rig.settle()
    rig.after(20)
    equal(values(rig), [])


def test_an_interval_of_nought_is_off():
    rig = new(MeterValueSampleInterval="0")
    rig.charge()
    equal(rig.core.tick(), 86400)
    rig.after(100)
    equal(values(rig), [])
    rig.ask("ChangeConfiguration", key="MeterValueSampleInterval", value="60")
    rig.after(1)
    equal(len(values(rig)), 1)
    equal(rig.core.tick(), 19)  # 101 s after the start


def test_who_was_late_takes_them_once():
    rig = new(MeterValueSampleInterval="10")
    rig.charge()
    rig.ms += 57000
    equal(rig.core.tick(), 3)
    equal(len(values(rig)), 1)
    rig.after(3)
    equal(len(values(rig)), 1)


def test_none_outside_of_a_transaction_and_of_lists_of_nothing():
    rig = new(MeterValueSampleInterval="10", MeterValuesSampledData="")
    rig.after(20)
    rig.charge()
    rig.after(20)
    equal(values(rig), [])
    equal([what for what in rig.said if what[-1] == "MeterValues"], [])


def test_what_the_hardware_has_no_value_of_is_left_out():
    rig = new(MeterValueSampleInterval="10", MeterValuesSampledData="SoC,Voltage")
    rig.charge()
    for odd in ("text", None, float("nan"), float("inf"), [1]):
        rig.box.values["Voltage"] = odd
        rig.after(10)
    equal(values(rig), [])
    rig.box.values["Voltage"] = 1e30
    rig.after(10)
    equal(values(rig)[0][3], [("Sample.Periodic", "214748364.7")])


def test_units_phases_and_decimals():
    names = "Power.Active.Import,Current.Import.L1,Voltage,Temperature," + REGISTER
    rig = new(MeterValueSampleInterval="10", MeterValuesSampledData=names)
    rig.charge()
    rig.after(10)
    payload = dict(rig.settle())["MeterValues"]
    found = []
    for value in payload["meterValue"][0]["sampledValue"]:
        found.append(tuple(value.get(key) for key in ("measurand", "value", "unit", "phase")))
    equal(
        found,
        [
            ("Power.Active.Import", "7360", "W", None),
            ("Current.Import", "16", "A", "L1"),
            ("Voltage", "229.5", "V", None),
            ("Temperature", "-3.3", "Celsius", None),
            (REGISTER, "1000", "Wh", None),
        ],
    )


def test_every_measurand_comes_back_as_itself():
    class All(Meter):
        measurands = _ALL

        def measure(self, connector, measurand):
            return 12.0

    rig = new()
    rig = Rig(rig.folder, box=All(), keys={"MeterValuesSampledData": ",".join(_ALL)})
    samples = rig.core.measuring.samples(1, "MeterValuesSampledData")
    found = []
    for value in rig.core.measuring.sampled(samples, "Other"):
        equal(value["value"], "12")
        found.append(value["measurand"] + ("." + value["phase"] if "phase" in value else ""))
    equal(found, list(_ALL))


def test_values_that_are_aligned_with_the_clock():
    rig = new(
        ClockAlignedDataInterval="900",
        MeterValuesAlignedData="Voltage",
        MeterValueSampleInterval="0",
    )
    rig.after(100)
    equal(rig.core.tick(), 800)
    rig.charge(2)
    rig.after(800)
    aligned = [("Sample.Clock", "229.5")]
    equal(
        values(rig),
        [(1, None, "08:15:00", aligned), (2, 7, "08:15:00", aligned)],
    )
    # A clock that is put back or on by a few seconds has no more, and no less.
    rig.clock.set(rig.clock.utc() - 5)
    rig.after(10)
    equal(values(rig), [])
    rig.clock.set(rig.clock.utc() + 890)
    rig.after(10)
    equal(len(values(rig)), 2)
    rig.ask("ChangeConfiguration", key="ClockAlignedDataInterval", value="0")
    rig.after(1000)
    equal(values(rig), [])


def test_what_is_aligned_begins_anew_at_midnight():
    rig = new(ClockAlignedDataInterval="50000")
    rig.clock.set(1796112000 - 8 * 3600 + 86400 - 30)  # half a minute before it
    equal(rig.core.tick(), 30)
    rig.after(30)
    equal({value[2] for value in values(rig)}, {"00:00:00"})
    equal(rig.core.tick(), 50000)


def test_nothing_is_aligned_before_the_time_is_known():
    rig = new(boot=False, ClockAlignedDataInterval="10")
    rig.after(30)
    equal(rig.queue.waiting, 0)


def test_values_that_go_with_the_stop():
    rig = new(
        MeterValueSampleInterval="60",
        MeterValuesSampledData="",
        ClockAlignedDataInterval="90",
        MeterValuesAlignedData="",
        StopTxnSampledData=REGISTER,
        StopTxnAlignedData="Voltage",
    )
    rig.charge()
    for wh in (1100, 1200):
        rig.box.registers[1] = wh
        rig.after(60)
    equal(values(rig), [])
    equal(rig.queue.waiting, 0)
    rig.box.registers[1] = 1250
    rig.core.tag(1, "T1")
    stop = dict(rig.settle())["StopTransaction"]
    found = []
    for one in stop["transactionData"]:
        for value in one["sampledValue"]:
            found.append((one["timestamp"][11:19], value["context"], value["value"]))
    equal(
        found,
        [
            ("08:00:00", "Transaction.Begin", "1000"),
            ("08:01:00", "Sample.Periodic", "1100"),
            ("08:01:30", "Sample.Clock", "229.5"),
            ("08:02:00", "Sample.Periodic", "1200"),
            ("08:02:00", "Transaction.End", "1250"),
        ],
    )
    equal((stop["meterStop"], rig.queue.waiting), (1250, 0))
    # Nothing of it is left for the next one, nor in the file.
    rig.core.unplugged(1)
    rig.charge()
    rig.core.tag(1, "T1")
    equal(len(dict(rig.settle())["StopTransaction"]["transactionData"]), 2)
    equal(Rig(rig.folder, boot=2).queue.waiting, 0)


def test_values_that_go_with_the_stop_of_another():
    rig = new(StopTxnSampledData=REGISTER, MeterValueSampleInterval="60")
    rig.charge(1)
    rig.after(60)
    rig.core.plugged(2)
    rig.box.registers[2] = 5000
    rig.core.tag(2, "T2")
    rig.settle(8)
    rig.core.tag(2, "T2")
    stop = dict(rig.settle())["StopTransaction"]
    found = [one["sampledValue"][0]["value"] for one in stop["transactionData"]]
    equal((stop["transactionId"], found), (8, ["5000", "5000"]))


def test_values_that_go_with_the_stop_outlive_a_power_cut():
    rig = new(
        StopTxnSampledData=REGISTER, MeterValuesSampledData="", MeterValueSampleInterval="60"
    )
    rig.charge()
    rig.after(600)
    rig.box.registers[1] = 1700
    rig = Rig(rig.folder, box=rig.box, boot=2)
    stop = dict(rig.boot())["StopTransaction"]
    found = [one["sampledValue"][0]["value"] for one in stop["transactionData"]]
    # The last few were not on the flash yet.
    equal((stop["reason"], stop["meterStop"], found), ("PowerLoss", 1700, ["1000"] * 9))


def test_only_so_many_go_with_a_stop_and_the_first_and_last_do():
    rig = new(StopTxnSampledData=REGISTER, MeterValuesSampledData="", MeterValueSampleInterval="1")
    rig.charge()
    for second in range(200):
        rig.box.registers[1] = 2000 + second
        rig.after(1)
    equal(rig.queue.waiting, 0)
    rig.core.tag(1, "T1")
    stop = dict(rig.settle())["StopTransaction"]
    found = [one["sampledValue"][0] for one in stop["transactionData"]]
    assert len(found) <= 17, len(found)
    equal((found[0]["value"], found[0]["context"]), ("1000", "Transaction.Begin"))
    equal((found[-1]["value"], found[-1]["context"]), ("2199", "Transaction.End"))
    numbers = [int(one["value"]) for one in found]
    equal(numbers, sorted(numbers))


def test_going_on_after_a_power_cut_says_so():
    rig = new(MeterValueSampleInterval="60")
    rig.charge()
    rig = Rig(rig.folder, boot=2, resume=True)
    found = rig.boot()
    contexts = [
        (payload["transactionId"], payload["meterValue"][0]["sampledValue"][0]["context"])
        for action, payload in found
        if action == "MeterValues"
    ]
    equal(contexts, [(7, "Interruption.End")])


def test_values_from_before_the_clock_was_known_get_their_true_time():
    rig = new(boot=False, MeterValueSampleInterval="10", AllowOfflineTxForUnknownId="true")
    rig.core.plugged(1)
    rig.core.tag(1, "T1")
    rig.after(30)
    found = rig.boot()  # which says that it is 08:00:00
    times = [
        payload["meterValue"][0]["timestamp"]
        for action, payload in found
        if action == "MeterValues"
    ]
    equal([time[11:19] for time in times], ["07:59:40", "07:59:50", "08:00:00"])
    equal(dict(found)["StartTransaction"]["timestamp"][11:19], "07:59:30")
