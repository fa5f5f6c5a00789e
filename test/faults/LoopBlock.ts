/** Loaded into a gateway (`--import`): SIGUSR2 stops its event loop for two seconds, as a long computation would. */
process.on("SIGUSR2", () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000)
})
