// pm2, on one machine: pm2 start deploy/ecosystem.config.cjs, and later pm2 reload flotilla.
// FLOTILLA_REDIS, FLOTILLA_TOKEN_SECRET and FLOTILLA_API_KEY come from the environment.
module.exports = {
  apps: [
    {
      name: 'flotilla',
      script: require.resolve('flotilla/package.json').replace('package.json', 'dist/standalone/cli.js'),
      args: 'start',
      // One node for each core, all of them on one port.
      exec_mode: 'cluster',
      instances: 'max',
      // A node counts as started once it is in the cluster; on reload the old one goes only then.
      wait_ready: true,
      listen_timeout: 15_000,
      // It takes at most 5 s to close.
      kill_timeout: 10_000,
    },
  ],
}
