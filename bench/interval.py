"""What +- means in this project: half the width of the 95 % confidence interval of a mean over seeds."""
import statistics

# Student's t, the 97.5 % quantile by degrees of freedom from 1.
T_975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093]


def half_width(values):
    """Returns it for 2 to 20 values, one a seed; None for a single one."""
    if len(values) < 2:
        return None
    return T_975[len(values) - 2] * statistics.stdev(values) / len(values) ** 0.5


def with_half_width(values):
    """Returns "mean +- half width" in four digits."""
    half = half_width(values)
    return f"{statistics.mean(values):.4f}" + (f" ± {half:.4f}" if half is not None else "")
