/** The parts of prom-client that are used: all of it takes twice as long to load, and 6 MB more. @module */
import type * as prom from "prom-client";
import CounterOf from "prom-client/lib/counter.js";
import GaugeOf from "prom-client/lib/gauge.js";
import HistogramOf from "prom-client/lib/histogram.js";
import RegistryOf from "prom-client/lib/registry.js";

/** The classes of prom-client, with their types. */
export const Counter = CounterOf as unknown as typeof prom.Counter,
  Gauge = GaugeOf as unknown as typeof prom.Gauge,
  Histogram = HistogramOf as unknown as typeof prom.Histogram,
  Registry = RegistryOf as unknown as typeof prom.Registry;
