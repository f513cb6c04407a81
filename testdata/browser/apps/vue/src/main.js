import { createApp } from 'vue';
import { createRouter, createWebHistory } from 'vue-router';
import App from './App.vue';
import Station from './Station.vue';
import './style.css';

const router = createRouter({
  history: createWebHistory(import.meta.env.BASE_URL),
  routes: [
    { path: '/', component: { render: () => 'All stations' } },
    { path: '/stations/:name', component: Station },
    // A chunk of its own, with a style sheet of its own.
    { path: '/v1.2/charts', component: () => import('./Charts.vue') },
    { path: '/:rest(.*)*', component: { render: () => 'No such station' } },
  ],
});

createApp(App).use(router).mount('#app');
